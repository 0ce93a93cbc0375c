"""`Upload-Concat`: an upload that is a part of another one, or that is made of such parts.

`partial` says the first; `final;` and the addresses of the parts, separated by spaces, the second. An address is one
that we gave: the last word of its path names the upload, whatever host stands before it.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tintype.domain.errors import Code, Problem

PARTIAL: Final = "partial"
_FINAL: Final = "final;"

MAX_PARTS: Final = 100
"""Clients that send in parallel use a handful."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The upload is a part of one that is still to be made."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The upload is made of these, in this order."""

    names: tuple[str, ...]
    """What the addresses end with."""


Concat = Partial | Whole


def parse_concat(text: str | None, collection: str) -> Concat | None:
    """Return what the header says, None without one; `Problem` request.unreadable.

    `collection` is the path under which uploads lie.
    """
    if text is None:
        return None
    if text.strip() == PARTIAL:
        return Partial()
    if not text.startswith(_FINAL):
        raise _unreadable("is either partial, or final; and the addresses of the parts")
    addresses = text.removeprefix(_FINAL).split()
    if not 1 <= len(addresses) <= MAX_PARTS:
        raise _unreadable(f"names between 1 and {MAX_PARTS} parts")
    names = tuple(_name(address, collection.rstrip("/") + "/") for address in addresses)
    if len(set(names)) != len(names):
        raise _unreadable("names a part twice")
    return Whole(names)


def _name(address: str, collection: str) -> str:
    try:
        path = urlsplit(address).path
    except ValueError:
        path = ""
    name = path.removeprefix(collection)
    if not path.startswith(collection) or not name or "/" in name:
        raise _unreadable("names something else than an upload of this server")
    return name


def _unreadable(what: str) -> Problem:
    return Problem(Code.REQUEST_UNREADABLE, f"Upload-Concat {what}.")
