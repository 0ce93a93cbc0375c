"""What may be said of an image, whether in a form, a query or JSON: each check notes what is wrong and goes on.

A client learns of all its mistakes at once.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.image import Attachment
from tintype.domain.visibility import Visibility, suits

MAX_TITLE_CHARACTERS: Final = 500
"""A title is a line; this many wrap to a paragraph on any screen."""

MAX_ALT_CHARACTERS: Final = 5_000
"""Somebody has to listen to it: at the speed of speech this is five minutes, and a page of text in a picture fits."""

MAX_TAGS: Final = 30
"""Tags per image. Each is an entry of an index, and more than a few tell nothing apart."""

MAX_TAG_CHARACTERS: Final = 50
"""A tag is a word or three, shown whole on a button."""

MAX_ATTACH_ID_CHARACTERS: Final = 200
"""A UUID has 36, a path in somebody's shop a hundred."""

MAX_EXPIRES_IN: Final = 10 * 365 * 86_400
"""Ten years in seconds. Whoever means longer means for ever."""

_ATTACH_TYPE: Final = re.compile(r"[A-Za-z0-9._-]{1,50}")


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Return the refusal that names every bad field."""
    return Problem(
        Code.REQUEST_INVALID, "Some fields are not right; `errors` names each of them.", errors=tuple(errors)
    )


def check_text(name: str, value: str, most: int, errors: list[FieldError]) -> str | None:
    """Return the text without blanks around it, None when nothing is left; at most so many characters."""
    text = value.strip()
    if len(text) > most:
        errors.append(FieldError(name, f"At most {most} characters."))
    if not _storable(text):
        errors.append(FieldError(name, "A text has no NUL character and no half of a surrogate pair."))
    return text or None


def check_tags(given: Sequence[str], errors: list[FieldError]) -> tuple[str, ...]:
    """Return the tags, each once and none empty."""
    tags = [tag.strip() for tag in given if tag.strip()]
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARACTERS for tag in tags):
        errors.append(FieldError("tags", f"At most {MAX_TAGS} tags of {MAX_TAG_CHARACTERS} characters."))
    if not all(map(_storable, tags)):
        errors.append(FieldError("tags", "A tag has no NUL character and no half of a surrogate pair."))
    return tuple(dict.fromkeys(tags))


def check_visibility(value: str, errors: list[FieldError]) -> Visibility | None:
    """Return the visibility that was chosen."""
    if value in tuple(Visibility):
        return Visibility(value)
    errors.append(FieldError("visibility", f"One of {', '.join(Visibility)}."))
    return None


def check_suits(visibility: Visibility | None, owner: int | None, errors: list[FieldError]) -> None:
    """Note when an image of this account (None: of nobody's) cannot have the visibility that was chosen."""
    if visibility is not None and not suits(visibility, owner):
        errors.append(FieldError("visibility", "Nobody follows what no account has. Upload it as an account."))


def check_attachment(kind: str, identifier: str, errors: list[FieldError]) -> Attachment | None:
    """Return what the image belongs to. Whether it may belong to an account is its kind's to say."""
    if not _ATTACH_TYPE.fullmatch(kind):
        errors.append(FieldError("attach_to", "A type has up to 50 letters, digits, dots, hyphens and underscores."))
    elif not (0 < len(identifier) <= MAX_ATTACH_ID_CHARACTERS and _storable(identifier) and identifier.isprintable()):
        errors.append(FieldError("attach_to", f"An id has up to {MAX_ATTACH_ID_CHARACTERS} printable characters."))
    else:
        return Attachment(kind, identifier)
    return None


def check_attachment_text(value: str, errors: list[FieldError]) -> Attachment | None:
    """Return what `type:id`, or the JSON of type and id, says that the image belongs to."""
    if not value.startswith("{"):
        kind, _, identifier = value.partition(":")
        return check_attachment(kind, identifier, errors)
    try:
        decoded = msgspec.json.decode(value.encode(errors="replace"), type=AttachTo)
    except (msgspec.DecodeError, RecursionError):
        errors.append(FieldError("attach_to", 'Either type:id, or {"type": …, "id": …} with two texts.'))
        return None
    return check_attachment(decoded.type, decoded.id, errors)


class AttachTo(msgspec.Struct, forbid_unknown_fields=True):
    """What an image is to belong to, as JSON."""

    type: str
    id: str


def check_expires_in(value: str, errors: list[FieldError]) -> timedelta | None:
    """Return for how long the image is wanted; the text is a number of seconds."""
    if re.fullmatch(r"[0-9]{1,12}", value) and 0 < int(value) <= MAX_EXPIRES_IN:
        return timedelta(seconds=int(value))
    errors.append(FieldError("expires_in", f"A whole number of seconds from 1 to {MAX_EXPIRES_IN}."))
    return None


def check_expires_at(value: object, errors: list[FieldError]) -> datetime | None:
    """Return the time that an RFC 3339 text names."""
    try:
        time = msgspec.convert(value, datetime, strict=True)
        if isinstance(value, str) and time.tzinfo is not None:
            return time.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        pass
    errors.append(FieldError("expires_at", "A time with its zone, such as 2030-01-31T12:00:00Z."))
    return None


def _storable(text: str) -> bool:
    """Return whether a database takes the text: JSON can spell what Unicode has no place for."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
