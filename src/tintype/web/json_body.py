"""Bodies that are small JSON objects: read with a deadline, checked field by field, every mistake told at once.

Only what says that it is JSON is read: a form that another site has a browser send cannot say so (RFC 9110 §8.3, and
the fetch standard's CORS-safelisted types).
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from tintype.domain.errors import Code, FieldError, Problem
from tintype.web.body import BodyLimits, RequestBody
from tintype.web.image_fields import invalid
from tintype.web.images_api import ApiRequest

T = TypeVar("T")

MAX_BODY_BYTES: Final = 65_536
"""The longest of every field, each character spelt as escapes."""

_TYPES: Final = ("application/json", "application/merge-patch+json")


async def read_json(request: ApiRequest, limits: BodyLimits) -> dict[str, Any]:
    """Return the object that the body is; an empty body is an empty object. `Problem` for anything else."""
    body = RequestBody(request.receive, declared=None, limits=limits)
    read = bytearray()
    async for chunk in body.chunks():
        read += chunk
        if len(read) > MAX_BODY_BYTES:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The body has at most {MAX_BODY_BYTES:,} bytes.")
    if not read:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
        raise Problem(Code.REQUEST_UNREADABLE, "Send JSON, and say so: Content-Type: application/json.")
    try:
        return msgspec.json.decode(bytes(read), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise Problem(Code.REQUEST_UNREADABLE, "The body is no JSON object.") from None


class Fields:
    """The fields of a body. What is wrong with them is collected, and raised by `done`."""

    def __init__(self, given: Mapping[str, Any], *known: str) -> None:
        self.given = given
        self.errors = [
            FieldError(name[:40], f"There is no such field; there are {', '.join(known)}.")
            for name in given
            if name not in known
        ]

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str) -> str:
        """Return a text that must be there; where it is not, the empty one, and the mistake is noted."""
        value = self.given.get(name)
        if not isinstance(value, str) or not value:
            self.wrong(name, "A text is needed here.")
            return ""
        if "\0" in value:
            self.wrong(name, "A text has no NUL character.")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None when there is none."""
        return self.text(name) if self.given.get(name) is not None else None

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self.given.get(name)
        if not isinstance(value, bool):
            self.wrong(name, "Either true or false.")
        return value is True

    def wrong(self, name: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.errors.append(FieldError(name, message))

    def done(self) -> None:
        """Raise `Problem` request.invalid that names every mistake, if there is any."""
        if self.errors:
            raise invalid(self.errors)
