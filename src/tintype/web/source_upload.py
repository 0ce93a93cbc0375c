"""A `POST /images` that names a URL: the server fetches the file, and takes it in as if it came in the request.

The fields come as JSON and are judged as those of a form are. Nothing is fetched for a request whose fields are wrong,
or whose Idempotency-Key was answered before. What the sender is told of a source that cannot be reached is one sentence
for all reasons, so that nobody finds out what lies in the networks behind the server; the log is told no more.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.outgoing import BadUrl, parse_outgoing
from tintype.ports.public_web import Call, Fault, NoAnswer, Patience, PublicWeb
from tintype.storage.intake import refuse_if_longer
from tintype.usecases.upload_image import Submission
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.image_fields import invalid
from tintype.web.upload_request import read_submission
from tintype.web.upload_slots import UploadSlots

MAX_BODY_BYTES: Final = 65_536
"""Every field at its longest, each character spelt as escapes."""

MOST_REDIRECTS: Final = 5
"""http to https, to a host with www, to a store behind a CDN: three are usual."""

_OK: Final = 200

_ACCEPT: Final = "image/*, */*;q=0.1"

_SENTENCES: Final[Mapping[Fault, tuple[Code, str]]] = {
    Fault.UNREACHABLE: (
        Code.SOURCE_UNREACHABLE,
        "This URL cannot be fetched: its host is not there, does not answer or is not public. Send the file itself.",
    ),
    Fault.TIMEOUT: (
        Code.SOURCE_TOO_SLOW,
        "The source is too slow. Nothing was kept; try again later, or send the file itself.",
    ),
    Fault.BROKEN: (
        Code.SOURCE_INCOMPLETE,
        "The source broke off before the whole file was there. Nothing was kept; try again.",
    ),
    Fault.REDIRECTS: (
        Code.SOURCE_REFUSED,
        f"The source redirects more than {MOST_REDIRECTS} times, or to what is not fetched. Name the file's own URL.",
    ),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where files are fetched from, and how many at once."""

    web: PublicWeb
    ports: frozenset[int]
    patience: Patience
    slots: UploadSlots
    """Beside those of every upload: who fetches waits for others, and costs the sender one small request."""


class SourceUpload:
    """A file that lies at a URL, and what is said about it (`storage/intake.py` Incoming)."""

    beside_file: int = MAX_BODY_BYTES
    """How many bytes the body may have that are not the file's."""

    def __init__(
        self,
        sources: Sources,
        given: Sequence[tuple[str, str]],
        kinds: Mapping[str, UploadKind],
        caller: Caller,
        open_until_answered: AsyncExitStack,
    ) -> None:
        """`Problem` request.invalid names every bad field."""
        self._sources = sources
        self._stack = open_until_answered
        self._url = "".join(value for name, value in given if name == "source_url")
        self.said: Submission = read_submission(given, kinds, caller, wrong=tuple(self._wrong()))
        self.fetched = 0
        """Bytes so far."""

    def _wrong(self) -> list[FieldError]:
        try:
            parse_outgoing(self._url, self._sources.ports)
        except BadUrl as error:
            return [FieldError("source_url", str(error))]
        return []

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the one kind that the image is."""
        return (self.said.kind,)

    def submission(self) -> Submission:
        """Return what is said about the image."""
        return self.said

    async def chunks(self) -> AsyncIterator[bytes]:
        """Fetch the file and give its bytes. `Problem` source.… says why there are none."""
        call = Call("GET", self._url, self._sources.patience, {"accept": _ACCEPT}, redirects=MOST_REDIRECTS)
        try:
            answer = await self._stack.enter_async_context(self._sources.web.call(call))
            if answer.status != _OK:
                message = f"The source answered {answer.status} in place of the file. Check the URL in a browser."
                raise Problem(Code.SOURCE_REFUSED, message)
            refuse_if_longer(_length(answer.headers), self.kinds())
            async for chunk in answer.chunks():
                self.fetched += len(chunk)
                yield chunk
        except NoAnswer as error:
            raise Problem(*_SENTENCES[error.fault]) from None


def _length(headers: Mapping[str, str]) -> int:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else 0


async def read_source_fields(body: RequestBody) -> list[tuple[str, str]]:
    """Return the fields of a JSON body as those of a form are: texts, each by its name."""
    read = bytearray()
    async for chunk in body.chunks():
        read += chunk
        if len(read) > MAX_BODY_BYTES:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The body has at most {MAX_BODY_BYTES:,} bytes.")
    try:
        given = msgspec.json.decode(bytes(read), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Problem(Code.REQUEST_UNREADABLE, "The body is no JSON object.") from None
    if not isinstance(given.get("source_url"), str):
        message = "Name the URL of the file, or send the file itself as a form or as the body."
        raise invalid([FieldError("source_url", message)])
    return [pair for name, value in given.items() for pair in _as_texts(name, value)]


def _as_texts(name: str, value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, str):
        return [(name, value)]
    if name == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return [(name, tag) for tag in value]
    # A number, true, or {"type", "id"} of attach_to: what a form writes for it. Anything else is no field's text.
    return [(name, msgspec.json.encode(value).decode())]
