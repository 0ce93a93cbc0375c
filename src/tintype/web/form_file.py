"""A multipart form with one file in it (RFC 7578), read as it comes: the file goes on, the fields are kept."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.kind import UploadKind
from tintype.storage.intake import refuse_if_longer
from tintype.web.body import RequestBody
from tintype.web.image_fields import MAX_ALT_CHARACTERS, invalid

MAX_FIELD_BYTES: Final = 4 * MAX_ALT_CHARACTERS
"""The longest field in UTF-8, where a character has four bytes at most. It is kept in memory."""

MAX_PART_HEADER_BYTES: Final = 16_384
"""A field's name and a file's, which has 255 bytes on most disks (three times that, percent-encoded)."""

MAX_PARTS: Final = 64
"""Parts of a form, and fields of a query: one of each field, every tag by itself, and as many again for new fields."""

FORM_BYTES: Final = MAX_PARTS * (MAX_PART_HEADER_BYTES + MAX_FIELD_BYTES)
"""What a form may have beside the file's bytes: each part its header and, at the most, a field."""


class FormFile:
    """The part `file` of a form."""

    beside_file = FORM_BYTES
    """How many bytes the body may have that are not the file's."""

    def __init__(
        self,
        body: RequestBody,
        boundary: str,
        *,
        given: list[tuple[str, str]],
        kinds: Callable[[], tuple[UploadKind, ...]],
    ) -> None:
        """The form's fields are added to `given`; `kinds` are those that the image may still turn out to be."""
        self._body = body
        self._boundary = boundary
        self._given = given
        self._kinds = kinds
        self._segment: MultipartSegment | None = None
        self._text = bytearray()
        self._files = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file, and read the fields on the way."""
        try:
            parser = PushMultipartParser(
                self._boundary,
                max_segment_count=MAX_PARTS,
                max_header_size=MAX_PART_HEADER_BYTES,
                header_charset="utf8",
            )
            async for chunk in self._from_first_boundary():
                for event in parser.parse(chunk):
                    if file_bytes := self._take(event):
                        yield file_bytes
            parser.close()
        except MultipartError as error:
            raise Problem(
                Code.REQUEST_UNREADABLE, "The form cannot be read: it breaks off or is not multipart/form-data."
            ) from MultipartError(*error.args[:1])  # the second quotes what was sent, and the log quotes nobody
        if self._files == 0:
            raise invalid([FieldError("file", "There is no file in the form. Send it as the field 'file'.")])

    async def _from_first_boundary(self) -> AsyncIterator[bytes]:
        """Give the body, which has nothing but line ends before its first boundary.

        What else may stand there (RFC 2046 §5.1.1) no client sends, and the parser skips it, refuses it or overlooks
        the boundary behind it, depending on the pieces that it comes in.
        """
        begun, held, boundary = False, b"", b"--" + self._boundary.encode()
        async for chunk in self._body.chunks():
            refuse_if_longer(self._body.received - self.beside_file, self._kinds())
            held = chunk if begun else (held + chunk).lstrip(b"\r\n")
            begun = begun or held.startswith(boundary)
            if begun:
                yield held
            elif not boundary.startswith(held):
                raise MultipartError("something stands before the first boundary")

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> bytes:
        """Follow one event of the parser and return the bytes it has of the file."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._is_file():
            return bytes(event)
        else:
            self._text += event
            if len(self._text) > MAX_FIELD_BYTES:
                raise invalid([FieldError(self._name(), f"A field has at most {MAX_FIELD_BYTES} bytes.")])
        return b""

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._text.clear()
        if self._is_file():
            self._files += 1
        if self._files > 1:
            raise invalid([FieldError("file", "One request takes one file. Send the others in requests of their own.")])

    def _end(self) -> None:
        if not self._is_file():
            self._given.append((self._name(), self._text.decode("utf-8", errors="replace")))

    def _is_file(self) -> bool:
        return self._name() == "file"

    def _name(self) -> str:
        return (self._segment.name or "") if self._segment is not None else ""
