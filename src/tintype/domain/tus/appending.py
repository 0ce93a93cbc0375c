"""A PATCH: bytes that go on where the upload stands. That is the row's to say; whether they may is said here."""

from dataclasses import dataclass

from tintype.domain.errors import Code, Problem
from tintype.domain.tus.checksum import Checksum, parse_checksum
from tintype.domain.tus.creation import refuse_length
from tintype.domain.tus.protocol import MEDIA_TYPE, Headers, carries_bytes, read_number


@dataclass(frozen=True, slots=True)
class Append:
    """What a PATCH brings."""

    offset: int
    """Where its bytes begin, as the client has it."""
    size: int | None
    """How many there are; None when the client does not say."""
    length: int | None
    """How long the whole upload is, when it is said now."""
    checksum: Checksum | None
    """Of the bytes that this request brings."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where an upload stands: `offset` bytes of `length`, which None leaves open; `final` ones are made of parts."""

    offset: int
    length: int | None
    final: bool = False

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.offset == self.length


@dataclass(frozen=True, slots=True)
class Permit:
    """How a PATCH may go on: the upload's length from now on, and the most bytes that may come."""

    length: int | None
    room: int


def read_append(headers: Headers) -> Append:
    """Return what the request brings; `Problem`."""
    if not carries_bytes(headers):
        raise Problem(Code.REQUEST_MEDIA_TYPE, f"The bytes of a PATCH have the Content-Type {MEDIA_TYPE}.")
    offset = read_number(headers, "Upload-Offset")
    if offset is None:
        raise Problem(Code.REQUEST_UNREADABLE, "Send Upload-Offset: how many bytes the upload has already.")
    return Append(
        offset=offset,
        size=read_number(headers, "Content-Length"),
        length=read_number(headers, "Upload-Length"),
        checksum=parse_checksum(headers.get("upload-checksum")),
    )


def permit(stand: Stand, append: Append, *, max_size: int) -> Permit:
    """Return how the PATCH may go on; `Problem` when it may not. `max_size` is the longest upload taken (bytes)."""
    if stand.final:
        raise Problem(Code.AUTH_FORBIDDEN, "A final upload is made of its parts, and takes no bytes itself.")
    length = _length(stand, append, max_size)
    if append.offset != stand.offset:
        raise offset_conflict(stand.offset)
    room = (length if length is not None else max_size) - stand.offset
    if append.size is not None and append.size > room:
        raise too_long()
    return Permit(length, room)


def offset_conflict(offset: int) -> Problem:
    """Return the refusal of bytes that begin elsewhere than the upload ends."""
    return Problem(
        Code.UPLOAD_OFFSET_CONFLICT,
        f"The upload has {offset:,} bytes, and these do not begin there. Ask by HEAD where it stands, and go on there.",
    )


def too_long() -> Problem:
    """Return the refusal of more bytes than were announced, or than are taken."""
    return Problem(
        Code.REQUEST_TOO_LARGE, "There are more bytes than were announced, or than are accepted. They do not count."
    )


def _length(stand: Stand, append: Append, max_size: int) -> int | None:
    if append.length is None:
        return stand.length
    if stand.length is None:
        refuse_length(append.length, max_size)
        if append.length < stand.offset:
            raise Problem(Code.REQUEST_UNREADABLE, f"Upload-Length is less than the {stand.offset:,} bytes there are.")
    elif append.length != stand.length:
        raise Problem(Code.REQUEST_UNREADABLE, f"The length of this upload is {stand.length:,} bytes, once for all.")
    return append.length
