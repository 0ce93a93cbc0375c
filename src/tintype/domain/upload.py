"""An upload whose bytes do not come in the request that asks for it, and its life (design §5).

```
requested → receiving → received → committed
requested | receiving → expired          requested | receiving | received → aborted | rejected
```

`received` is the promise: all bytes are durable, the job that examines them is enqueued, and the upload is never lost.
The image's row comes with `committed`, so that every image has its bytes; until then what can be said of the image is
said by its upload (`as_image`). Both have one id.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tintype.domain.actor import Actor
from tintype.domain.audit import Requester
from tintype.domain.change import ChangeRequest
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.ids import UPLOAD_PREFIX, BadId, ImageRef, parse_public_id, public_id
from tintype.domain.image import NO_VERSION, Attachment, IllegalMove, Image, State
from tintype.domain.transform import Recipe
from tintype.domain.visibility import Visibility

_NO_RECIPE: Final = Recipe((), ())
"""Of an image that is only asked whose it is, or whose kind is gone."""


class Method(StrEnum):
    """How the bytes come: in one request, in parts, resumable (tus), or fetched by us."""

    PUT = "put"
    MULTIPART = "multipart"
    TUS = "tus"
    URL = "url"


class UploadState(StrEnum):
    """Where an upload is in its life."""

    REQUESTED = "requested"
    RECEIVING = "receiving"
    RECEIVED = "received"
    COMMITTED = "committed"
    ABORTED = "aborted"
    EXPIRED = "expired"
    REJECTED = "rejected"


OPEN: Final = frozenset({UploadState.REQUESTED, UploadState.RECEIVING})
"""Bytes may still come."""

ENDED: Final = frozenset({UploadState.COMMITTED, UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED})
"""Nothing is reserved for it any more, and nothing of it is staged."""

_MOVES: Final[dict[UploadState, frozenset[UploadState]]] = {
    UploadState.REQUESTED: frozenset(
        {
            *(UploadState.RECEIVING, UploadState.RECEIVED),
            *(UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED),
        }
    ),
    UploadState.RECEIVING: frozenset(
        {UploadState.RECEIVED, UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED}
    ),
    UploadState.RECEIVED: frozenset({UploadState.COMMITTED, UploadState.ABORTED, UploadState.REJECTED}),
    **dict.fromkeys(ENDED, frozenset()),
}


def move(current: UploadState, to: UploadState) -> UploadState:
    """Return `to` when the life cycle allows the move, else raise `IllegalMove`."""
    if to in _MOVES[current]:
        return to
    message = f"an upload that is {current} cannot become {to}"
    raise IllegalMove(message)


def sources_of(to: UploadState) -> tuple[UploadState, ...]:
    """Return every state from which `to` may be reached: the WHERE clause of a compare-and-set."""
    return tuple(state for state in UploadState if to in _MOVES[state])


@dataclass(frozen=True, slots=True)
class Part:
    """What lies in the store of an upload: `number` as `db/uploads.py` says, `size` in bytes.

    `sha256` is None for what a client wrote to a remote store by itself.
    """

    number: int
    size: int
    sha256: bytes | None
    store_etag: str = ""

    @property
    def etag(self) -> str:
        """The entity tag that the client was given for it, without quotes."""
        return self.sha256.hex() if self.sha256 is not None else self.store_etag


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload's row. Sizes are bytes; `size`, `content_type` and `sha256` are what the client declared."""

    id: int
    tenant: int
    secret: int
    """The image's."""
    owner: int | None
    """The account that asked for it."""
    created_by: int | None
    """The API key that did."""
    method: Method
    state: UploadState
    state_reason: str | None = None
    size: int | None
    """None until it is known: a resumable upload may begin without."""
    content_type: str | None
    sha256: bytes | None
    filename: str | None
    received: int = 0
    """How many bytes are durable in the store."""
    reserved: int
    """How many bytes are counted for it, beside one image, until it ends."""
    part_size: int | None = None
    store_upload: str | None = None
    """What a remote store calls its multipart upload."""
    kind: str
    title: str | None
    alt: str | None
    tags: tuple[str, ...]
    visibility: Visibility
    expires_in: timedelta | None
    """How long the image is kept, from its commit; None is until it is deleted."""
    attached_to: Attachment | None
    write_token_hash: bytes | None
    read_token_hash: bytes | None
    address: str | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    """When it is given up, unless all of it is there."""
    ended_at: datetime | None = None

    @property
    def public_id(self) -> str:
        """What clients call it."""
        return public_id(UPLOAD_PREFIX, self.id)

    @property
    def ref(self) -> ImageRef:
        """The public id of its image."""
        return ImageRef(self.id, self.secret)

    @property
    def anonymous(self) -> bool:
        """Whether nobody but the holder of its tokens has it."""
        return self.owner is None and self.created_by is None

    @property
    def by(self) -> Requester:
        """Who asked for it, as the audit log knows them."""
        return Requester(self.actor, self.address)

    @property
    def actor(self) -> Actor | None:
        """Who asked for it, as far as it matters to what the image may belong to."""
        if self.anonymous:
            return None
        return Actor(self.tenant, self.created_by, self.owner)

    def as_image(self, recipe: Recipe = _NO_RECIPE) -> Image:
        """Return the image as far as it is known: in work or refused, without a byte (`Image.pending`).

        Its version is 0: the first with bytes has another ETag, and whoever follows it is told of that. Its write token
        is the upload's.
        """
        rejected = self.state is UploadState.REJECTED
        return Image(
            id=self.id,
            tenant=self.tenant,
            secret=self.secret,
            owner=self.owner,
            created_by=self.created_by,
            kind=self.kind,
            recipe=recipe,
            sha256=b"",
            source_sha256=self.sha256 or b"",
            format=Format.JPEG,  # nobody is told before it is known
            width=0,
            height=0,
            frames=0,
            size=0,
            title=self.title,
            alt=self.alt,
            tags=self.tags,
            visibility=self.visibility,
            state=State.REJECTED if rejected else State.PROCESSING,
            state_reason=self.state_reason,
            version=NO_VERSION,
            thumbhash=None,
            dominant_color=None,
            write_token_hash=self.write_token_hash,
            read_token_hash=self.read_token_hash,
            created_at=self.created_at,
            updated_at=self.updated_at,
            purged_at=None,
            revision=1 + rejected,
            attached_to=self.attached_to,
        )


def parse_upload_id(text: str) -> int:
    """Return the id that `upl_…` spells; `Problem` not_found when it is none."""
    try:
        return parse_public_id(UPLOAD_PREFIX, text)
    except BadId as error:
        raise no_upload() from error


def no_upload() -> Problem:
    """Return what is said of an upload that is not there, or that is a stranger's."""
    message = "There is no such upload, or it is not yours: send its write_token as Upload-Token, or sign in."
    return Problem(Code.NOT_FOUND, message)


def permit(request: ChangeRequest, upload: Upload) -> None:
    """Raise `Problem` not_found unless the upload is theirs who ask, whoever may see the image that it becomes.

    Its id can be guessed, and an upload is nobody else's business.
    """
    try:
        request.permitted(upload.as_image())
    except Problem as problem:
        if problem.code in {Code.NOT_FOUND, Code.AUTH_REQUIRED, Code.AUTH_FORBIDDEN}:
            raise no_upload() from problem
        raise


def refuse_unless_open(upload: Upload, now: datetime) -> None:
    """Raise `Problem` when no more bytes may come: upload.expired, upload.aborted, or conflict once all are there."""
    refuse_if_over(upload)
    if upload.state not in OPEN:
        raise Problem(Code.CONFLICT, "This upload is complete. Nothing more can be sent to it.")
    if upload.expires_at <= now:
        raise expired()


def refuse_if_over(upload: Upload) -> None:
    """Raise `Problem` for an upload that came to nothing before all of it was there."""
    if upload.state is UploadState.EXPIRED:
        raise expired()
    if upload.state is UploadState.ABORTED:
        raise Problem(Code.UPLOAD_ABORTED, "This upload was aborted. Ask for a new one.")


def expired() -> Problem:
    """Return what is said of an upload whose time is over."""
    return Problem(Code.UPLOAD_EXPIRED, "The time of this upload is over. Ask for a new one.")


def size_mismatch(declared: int, came: str) -> Problem:
    """Return the refusal of another number of bytes than was declared; `came` says which."""
    return Problem(
        Code.UPLOAD_SIZE_MISMATCH,
        f"{declared:,} bytes were announced, and {came}. Nothing of this was kept; send exactly what was announced.",
    )
