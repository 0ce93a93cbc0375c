"""A `POST /images`, by form or by raw body, as what the upload story wants: bytes, and what is said about them.

In a form the fields may come before or after the file, so that what is said is complete only at the end. Until the kind
is known, the file may be as long as the longest kind allows; its own limit is checked when it is.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from tintype.domain.digest import BadDigest, parse_hex_sha256
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.visibility import Visibility
from tintype.usecases.upload_image import Submission, refuse_if_longer
from tintype.web.auth import Caller
from tintype.web.body import RequestBody

DEFAULT_KIND: Final = "image"

MAX_TITLE_CHARACTERS: Final = 500
"""A title is a line; this many wrap to a paragraph on any screen."""

MAX_ALT_CHARACTERS: Final = 5_000
"""Somebody has to listen to it: at the speed of speech this is five minutes, and a page of text in a picture fits."""

MAX_TAGS: Final = 30
"""Tags per image. Each will be an entry of an index, and more than a few tell nothing apart."""

MAX_TAG_CHARACTERS: Final = 50
"""A tag is a word or three, shown whole on a button."""

MAX_FIELD_BYTES: Final = 4 * MAX_ALT_CHARACTERS
"""The longest field in UTF-8, where a character has four bytes at most. It is kept in memory."""

MAX_PART_HEADER_BYTES: Final = 16_384
"""A field's name and a file's, which has 255 bytes on most disks (three times that, percent-encoded)."""

MAX_PARTS: Final = 64
"""Parts of a form, and fields of a query: one of each field, every tag by itself, and as many again for new fields."""

FORM_BYTES: Final = MAX_PARTS * (MAX_PART_HEADER_BYTES + MAX_FIELD_BYTES)
"""What a form may have beside the file's bytes: each part its header and, at the most, a field."""


class UploadRequest:
    """The file of the request and what is said about it (`usecases/upload_image.py` Incoming)."""

    beside_file = 0
    """How many bytes the body may have that are not the file's."""

    def __init__(
        self, body: RequestBody, given: Sequence[tuple[str, str]], kinds: Mapping[str, UploadKind], caller: Caller
    ) -> None:
        self._body = body
        self._kinds = kinds
        self._given = list(given)
        self._caller = caller

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file."""
        return self._body.chunks()

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kinds that the image may still turn out to be; `Problem` for one that there is not."""
        named = [value for name, value in self._given if name == "kind"]
        return (self._kind(named[0]),) if named else tuple(self._kinds.values())

    def submission(self) -> Submission:
        """Return what is said about the image, complete when `chunks` has ended.

        `Problem` request.invalid names every bad field.
        """
        kinds = self.kinds()
        return _check(self._given, kinds[0] if len(kinds) == 1 else self._kind(DEFAULT_KIND), self._caller)

    def _kind(self, name: str) -> UploadKind:
        if name not in self._kinds:
            raise _invalid([FieldError("kind", f"There is no kind {name[:40]!r}; there are {', '.join(self._kinds)}.")])
        return self._kinds[name]


class RawUpload(UploadRequest):
    """The body is the file; the fields are in the query, so everything is known at once."""

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the one kind that the image is."""
        named = super().kinds()
        return named if len(named) == 1 else (self._kind(DEFAULT_KIND),)


class FormUpload(UploadRequest):
    """A multipart form with one part `file` (RFC 7578). Its query counts like its fields: a form may be posted so."""

    beside_file = FORM_BYTES

    def __init__(
        self,
        body: RequestBody,
        given: Sequence[tuple[str, str]],
        kinds: Mapping[str, UploadKind],
        caller: Caller,
        *,
        boundary: str,
    ) -> None:
        super().__init__(body, given, kinds, caller)
        self._boundary = boundary
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
            raise _invalid([FieldError("file", "There is no file in the form. Send it as the field 'file'.")])

    async def _from_first_boundary(self) -> AsyncIterator[bytes]:
        """Give the body, which has nothing but line ends before its first boundary.

        What else may stand there (RFC 2046 §5.1.1) no client sends, and the parser skips it, refuses it or overlooks
        the boundary behind it, depending on the pieces that it comes in.
        """
        begun, held, boundary = False, b"", b"--" + self._boundary.encode()
        async for chunk in self._body.chunks():
            refuse_if_longer(self._body.received - self.beside_file, self.kinds())
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
                raise _invalid([FieldError(self._name(), f"A field has at most {MAX_FIELD_BYTES} bytes.")])
        return b""

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._text.clear()
        if self._is_file():
            self._files += 1
        if self._files > 1:
            raise _invalid(
                [FieldError("file", "One request takes one file. Send the others in requests of their own.")]
            )

    def _end(self) -> None:
        if not self._is_file():
            self._given.append((self._name(), self._text.decode("utf-8", errors="replace")))

    def _is_file(self) -> bool:
        return self._name() == "file"

    def _name(self) -> str:
        return (self._segment.name or "") if self._segment is not None else ""


def _check(given: Sequence[tuple[str, str]], kind: UploadKind, caller: Caller) -> Submission:
    errors: list[FieldError] = []
    values: dict[str, str] = {}
    tags: list[str] = []
    for name, value in given:
        if name == "tags":
            tags += [tag.strip() for tag in value.split(",") if tag.strip()]
        elif name not in _FIELDS:
            errors.append(FieldError(name[:40], "There is no such field."))
        elif name in values:
            errors.append(FieldError(name, "The field is given twice."))
        else:
            values[name] = value
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARACTERS for tag in tags):
        errors.append(FieldError("tags", f"At most {MAX_TAGS} tags of {MAX_TAG_CHARACTERS} characters."))
    if any("\0" in tag for tag in tags):
        errors.append(FieldError("tags", "A tag has no NUL character."))
    submission = Submission(
        tenant=caller.tenant,
        key=caller.key,
        kind=kind,
        title=_text(values, "title", MAX_TITLE_CHARACTERS, errors),
        alt=_text(values, "alt", MAX_ALT_CHARACTERS, errors),
        tags=tuple(dict.fromkeys(tags)),
        visibility=_visibility(values, errors),
        sha256=_sha256(values, errors),
    )
    if errors:
        raise _invalid(errors)
    return submission


_FIELDS: Final = frozenset({"kind", "title", "alt", "visibility", "is_public", "sha256"})


def _text(values: Mapping[str, str], name: str, most: int, errors: list[FieldError]) -> str | None:
    value = values.get(name, "").strip()
    if len(value) > most:
        errors.append(FieldError(name, f"At most {most} characters."))
    if "\0" in value:
        errors.append(FieldError(name, "A text has no NUL character."))
    return value or None


def _visibility(values: Mapping[str, str], errors: list[FieldError]) -> Visibility | None:
    if (
        "visibility" in values and "is_public" in values
    ):  # one of them would be ignored, and it might be the private one
        errors.append(FieldError("is_public", "Give either visibility or is_public, not both."))
    elif "visibility" in values:
        allowed = [Visibility.PUBLIC, Visibility.UNLISTED, Visibility.PRIVATE]
        if values["visibility"] in allowed:
            return Visibility(values["visibility"])
        errors.append(FieldError("visibility", f"One of {', '.join(allowed)}."))
    elif "is_public" in values:
        if values["is_public"] in {"true", "false"}:
            return Visibility.PUBLIC if values["is_public"] == "true" else Visibility.UNLISTED
        errors.append(FieldError("is_public", "Either true or false."))
    return None


def _sha256(values: Mapping[str, str], errors: list[FieldError]) -> bytes | None:
    try:
        return parse_hex_sha256(values["sha256"].strip()) if "sha256" in values else None
    except BadDigest as error:
        errors.append(FieldError("sha256", f"This {error}."))
        return None


def _invalid(errors: list[FieldError]) -> Problem:
    return Problem(
        Code.REQUEST_INVALID, "Some fields are not right; `errors` names each of them.", errors=tuple(errors)
    )
