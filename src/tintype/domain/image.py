"""An image and its life.

```
processing → ready | rejected | failed | quarantined      failed → processing (retry)
ready → processing (replaced) | quarantined (reported)     quarantined → ready | rejected
rejected → processing (appeal, replaced)
every live state → trashed → the state it had             every state but purged → purged (final)
```
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tintype.domain.format import Format
from tintype.domain.ids import ImageRef
from tintype.domain.transform import Recipe
from tintype.domain.visibility import Visibility


class State(StrEnum):
    """Where an image is in its life."""

    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    TRASHED = "trashed"
    PURGED = "purged"


NO_VERSION: Final = 0
"""Of an image whose bytes are all there, and nobody has examined them yet; the first version is 1."""

LIVE = frozenset({State.PROCESSING, State.READY, State.REJECTED, State.FAILED, State.QUARANTINED})
SERVED = frozenset({State.PROCESSING, State.READY, State.FAILED})

_MOVES: dict[State, frozenset[State]] = {
    State.PROCESSING: frozenset({State.READY, State.REJECTED, State.FAILED, State.QUARANTINED}),
    State.READY: frozenset({State.PROCESSING, State.QUARANTINED}),
    State.REJECTED: frozenset({State.PROCESSING}),
    State.FAILED: frozenset({State.PROCESSING}),
    State.QUARANTINED: frozenset({State.READY, State.REJECTED}),
    State.TRASHED: LIVE,
    State.PURGED: frozenset(),
}


class IllegalMove(Exception):
    """A state change that the life cycle does not know; nothing was changed."""


def move(current: State, to: State) -> State:
    """Return `to` when the life cycle allows the move, else raise `IllegalMove`."""
    if to in _MOVES[current] or (current in LIVE and to is State.TRASHED):
        return to
    if to is State.PURGED and current is not State.PURGED:
        return to
    message = f"an image that is {current} cannot become {to}"
    raise IllegalMove(message)


def sources_of(to: State) -> tuple[State, ...]:
    """Return every state from which `to` may be reached: the WHERE clause of a compare-and-set."""
    return tuple(state for state in State if _allows(state, to))


def _allows(current: State, to: State) -> bool:
    try:
        move(current, to)
    except IllegalMove:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Attachment:
    """What an image belongs to, in the tenant's own words; the type `account` is ours."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image's row. `width` and `height` are pixels after orientation, `size` the stored bytes."""

    id: int
    tenant: int
    secret: int
    owner: int | None
    """The account that uploaded it."""
    created_by: int | None
    """The API key that sent it."""
    kind: str
    recipe: Recipe
    sha256: bytes
    source_sha256: bytes
    format: Format
    width: int
    height: int
    frames: int
    size: int
    title: str | None
    alt: str | None
    tags: tuple[str, ...]
    visibility: Visibility
    state: State
    state_reason: str | None
    version: int
    thumbhash: str | None
    dominant_color: str | None
    write_token_hash: bytes | None
    read_token_hash: bytes | None
    created_at: datetime
    updated_at: datetime
    purged_at: datetime | None
    revision: int = 1
    """One more with every change that a client can see."""
    hold: bool = False
    trashed_at: datetime | None = None
    trashed_from: State | None = None
    """The state that a restore gives back."""
    expires_at: datetime | None = None
    attached_to: Attachment | None = None
    replaced_at: datetime | None = None
    """When its bytes were last replaced; None: never."""
    attach_by: datetime | None = None
    """Until when it may belong to nothing; None: for good, or it belongs to something."""
    expires_attached: datetime | None = None
    """What its expiry will be once it is attached."""

    @property
    def ref(self) -> ImageRef:
        """The public id."""
        return ImageRef(self.id, self.secret)

    @property
    def pending(self) -> bool:
        """Whether it has no row and no bytes of its own yet: its upload speaks for it (`domain/upload.py`)."""
        return self.version == NO_VERSION

    @property
    def uploader(self) -> int | None:
        """Whose it is when it is asked who had these bytes already: the account, else the tenant, else nobody."""
        if self.owner is not None:
            return self.owner
        return self.tenant if self.created_by is not None else None

    @property
    def modified(self) -> datetime:
        """When it got the bytes that it has."""
        return self.replaced_at or self.created_at

    def expired(self, now: datetime) -> bool:
        """Return whether its time is over: nothing of it is served any more, and the sweep purges it."""
        return self.expires_at is not None and self.expires_at <= now
