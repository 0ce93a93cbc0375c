"""`Upload-Metadata`: keys and values that the client says about what it sends.

Pairs are separated by commas, key and value by a space; a value is in base64 and may be missing. What a client may say
about an image is text, so values have to be UTF-8.
"""

import base64
import binascii
import re
from typing import Final

from tintype.domain.errors import Code, Problem

MAX_CHARACTERS: Final = 16_384
"""Of the whole header: a title and an attachment fit many times."""

_KEY: Final = re.compile(r"[!-+\--~]+", re.ASCII)
"""Printable ASCII without space and comma."""


def parse_metadata(text: str | None) -> dict[str, str]:
    """Return what the header says, nothing without one; `Problem` request.unreadable."""
    found: dict[str, str] = {}
    if text is None or not text.strip():
        return found
    if len(text) > MAX_CHARACTERS:
        raise _unreadable(f"has more than {MAX_CHARACTERS:,} characters")
    for pair in text.split(","):
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key):
            raise _unreadable("has a pair without a key in ASCII")
        if key in found:
            raise _unreadable(f"has the key {key[:40]} twice")
        found[key] = _decoded(key, encoded.strip())
    return found


def _decoded(key: str, encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _unreadable(f"has no text in base64 for {key[:40]}") from error


def _unreadable(what: str) -> Problem:
    return Problem(Code.REQUEST_UNREADABLE, f"Upload-Metadata {what}. Write key and base64: title aGVsbG8=,kind aW1n.")
