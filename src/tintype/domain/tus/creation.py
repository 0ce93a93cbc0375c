"""A POST: what is to be uploaded, and how long it will be, if that is known yet."""

from dataclasses import dataclass

from tintype.domain.errors import Code, Problem
from tintype.domain.tus.checksum import Checksum, parse_checksum
from tintype.domain.tus.concatenation import Concat, Whole, parse_concat
from tintype.domain.tus.metadata import parse_metadata
from tintype.domain.tus.protocol import MEDIA_TYPE, Headers, carries_bytes, read_number


@dataclass(frozen=True, slots=True)
class Creation:
    """What a POST asks for."""

    length: int | None
    """Bytes; None when it is said later, or follows from the parts."""
    metadata: dict[str, str]
    concat: Concat | None
    with_bytes: bool
    """Whether the first bytes come in this request's body."""
    checksum: Checksum | None
    """Of that body."""


def read_creation(headers: Headers, *, collection: str, max_size: int) -> Creation:
    """Return what the request asks for; `Problem`.

    `collection` is the path under which uploads lie, `max_size` the longest (bytes) that is taken.
    """
    concat = parse_concat(headers.get("upload-concat"), collection)
    length = _length(headers, final=isinstance(concat, Whole))
    if length is not None:
        refuse_length(length, max_size)
    return Creation(
        length=length,
        metadata=parse_metadata(headers.get("upload-metadata")),
        concat=concat,
        with_bytes=_with_bytes(headers, final=isinstance(concat, Whole)),
        checksum=parse_checksum(headers.get("upload-checksum")),
    )


def refuse_length(length: int, max_size: int) -> None:
    """Raise `Problem` for an upload that is empty, or longer than is taken (bytes)."""
    if length == 0:
        raise Problem(Code.UPLOAD_EMPTY, "The file is empty. Choose one that has bytes in it.")
    if length > max_size:
        raise Problem(
            Code.IMAGE_TOO_LARGE,
            f"The file is larger than {max_size:,} bytes, the most that is accepted. Send a smaller one.",
        )


def _length(headers: Headers, *, final: bool) -> int | None:
    length, deferred = read_number(headers, "Upload-Length"), headers.get("upload-defer-length")
    if final:
        if length is not None or deferred is not None:
            raise Problem(Code.REQUEST_UNREADABLE, "The length of a final upload follows from its parts. Send none.")
        return None
    if deferred is not None and deferred.strip() != "1":
        raise Problem(Code.REQUEST_UNREADABLE, "Upload-Defer-Length can only be 1.")
    if (length is None) == (deferred is None):
        raise Problem(Code.REQUEST_UNREADABLE, "Send either Upload-Length or Upload-Defer-Length: 1.")
    return length


def _with_bytes(headers: Headers, *, final: bool) -> bool:
    size = read_number(headers, "Content-Length")
    if size == 0 or (size is None and "transfer-encoding" not in headers and not carries_bytes(headers)):
        return False
    if final:
        raise Problem(Code.REQUEST_UNREADABLE, "A final upload is made of its parts. Send no bytes with it.")
    if not carries_bytes(headers):
        raise Problem(Code.REQUEST_MEDIA_TYPE, f"Bytes that come with the creation have the Content-Type {MEDIA_TYPE}.")
    return True
