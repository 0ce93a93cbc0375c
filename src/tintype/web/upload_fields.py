"""The body of `POST /uploads`: what is announced of a file, and what is said of its image."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from tintype.domain.errors import FieldError
from tintype.domain.image import Attachment
from tintype.domain.kind import UploadKind
from tintype.domain.upload import Method
from tintype.domain.visibility import Visibility
from tintype.usecases.reserve_upload import Reservation
from tintype.web.auth import Caller
from tintype.web.image_fields import (
    MAX_ALT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    AttachTo,
    check_attachment,
    check_attachment_text,
    check_expires_in,
    check_suits,
    check_tags,
    check_text,
    check_visibility,
)
from tintype.web.json_body import Fields
from tintype.web.upload_request import DEFAULT_KIND, read_sha256

T = TypeVar("T")

METHODS: Final = (Method.PUT, Method.MULTIPART, Method.TUS)
"""What `POST /uploads` offers."""

MAX_FILENAME_CHARACTERS: Final = 255
"""As long as a name may be on most disks. It is a note for people: nothing is ever stored under it."""

MAX_SIZE: Final = 1 << 50
"""Bytes; what is more is a mistake, and no column for it."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_NOT_IN_NAMES: Final = re.compile(r"[/\\\x00-\x1f\x7f]")
_FIELDS: Final = (
    *("method", "filename", "content_type", "size", "sha256", "kind", "title", "alt", "tags", "visibility"),
    *("is_public", "expires_in", "attach_to"),
)


def read_reservation(given: Mapping[str, Any], kinds: Mapping[str, UploadKind], caller: Caller) -> Reservation:
    """Return what the body asks for; `Problem` request.invalid names every bad field."""
    fields = Fields(given, *_FIELDS)
    kind = kinds.get(_text(fields, "kind") or DEFAULT_KIND)
    if kind is None:
        fields.wrong("kind", f"There is no such kind; there are {', '.join(kinds)}.")
    method = _method(fields)
    reservation = Reservation(
        tenant=caller.tenant,
        actor=caller.actor,
        method=method,
        kind=kind or next(iter(kinds.values())),
        size=_size(fields, method),
        content_type=_content_type(fields),
        sha256=read_sha256({"sha256": said}, fields.errors) if (said := _text(fields, "sha256")) else None,
        filename=_filename(fields),
        title=_checked(fields, "title", MAX_TITLE_CHARACTERS),
        alt=_checked(fields, "alt", MAX_ALT_CHARACTERS),
        tags=_tags(fields),
        visibility=_visibility(fields, caller),
        expires_in=check_expires_in(str(given["expires_in"]), fields.errors)
        if given.get("expires_in") is not None
        else None,
        attached_to=_attachment(fields),
        address=caller.noted,
    )
    fields.done()
    return reservation


def _text(fields: Fields, name: str) -> str | None:
    return fields.text(name) if fields.given.get(name) is not None else None


def _checked(fields: Fields, name: str, most: int) -> str | None:
    value = fields.given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        fields.wrong(name, "A text.")
        return None
    return check_text(name, value, most, fields.errors)


def _method(fields: Fields) -> Method:
    said = fields.given.get("method")
    if isinstance(said, str) and said in METHODS:
        return Method(said)
    fields.wrong("method", f"One of {', '.join(METHODS)}.")
    return Method.PUT


def _size(fields: Fields, method: Method) -> int | None:
    size = fields.given.get("size")
    if size is None and method is Method.TUS:  # it may be said with the bytes
        return None
    if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE:
        return size
    fields.wrong("size", "The number of bytes that the file has.")
    return None


def _content_type(fields: Fields) -> str | None:
    said = fields.given.get("content_type")
    if said is None or said == "":  # a browser says nothing of a file that it does not know
        return None
    media_type = said.partition(";")[0].strip().lower() if isinstance(said, str) else ""
    if not _MEDIA_TYPE.fullmatch(media_type):
        fields.wrong("content_type", "A media type such as image/jpeg.")
        return None
    return media_type


def _filename(fields: Fields) -> str | None:
    said = fields.given.get("filename")
    if isinstance(said, str) and (_NOT_IN_NAMES.search(said) or said in {".", ".."}):
        fields.wrong("filename", "The name of the file alone, without folders and control characters.")
        return None
    return _checked(fields, "filename", MAX_FILENAME_CHARACTERS)


def _tags(fields: Fields) -> tuple[str, ...]:
    given = fields.given.get("tags")
    tags = given.split(",") if isinstance(given, str) else given or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        fields.wrong("tags", "A list of texts.")
        return ()
    return check_tags(tags, fields.errors)


def _visibility(fields: Fields, caller: Caller) -> Visibility | None:
    said, public = fields.given.get("visibility"), fields.given.get("is_public")
    if said is not None and public is not None:  # one would be ignored, and it might be the private one
        fields.wrong("is_public", "Give either visibility or is_public, not both.")
    elif said is not None:
        chosen = check_visibility(said if isinstance(said, str) else "", fields.errors)
        check_suits(chosen, caller.actor.account if caller.actor else None, fields.errors)
        return chosen
    elif public is not None:
        return Visibility.PUBLIC if fields.flag("is_public") else Visibility.UNLISTED
    return None


def _attachment(fields: Fields) -> Attachment | None:
    given = fields.given.get("attach_to")
    if given is None:
        return None
    if isinstance(given, str):
        return check_attachment_text(given, fields.errors)
    attach_to = converted(given, AttachTo)
    if attach_to is None:
        fields.errors.append(FieldError("attach_to", '{"type": …, "id": …} with two texts.'))
        return None
    return check_attachment(attach_to.type, attach_to.id, fields.errors)


def converted(value: object, wanted: Callable[..., T]) -> T | None:
    """Return the value as that type, or None when it is something else."""
    try:
        return msgspec.convert(value, wanted)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        return None
