"""What every tus request has in common: the version, numbers in headers, the method that is meant, what we announce."""

import re
from collections.abc import Mapping
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.tus.checksum import ALGORITHMS

VERSION: Final = "1.0.0"

EXTENSIONS: Final = (
    *("creation", "creation-with-upload", "creation-defer-length", "checksum"),
    *("expiration", "termination", "concatenation"),
)

MEDIA_TYPE: Final = "application/offset+octet-stream"
"""What the body of a request is called that carries bytes of an upload."""

METHODS: Final = frozenset({"HEAD", "PATCH", "DELETE"})
"""What `X-HTTP-Method-Override` may make of a POST, for clients behind a proxy that lets nothing else through."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
"""Eighteen digits are below 2⁶³, and more than any disk."""

Headers = Mapping[str, str]


def refuse_other_version(headers: Headers) -> None:
    """Raise `Problem` tus.version_unsupported unless the request speaks our version."""
    if headers.get("tus-resumable", "").strip() != VERSION:
        raise Problem(
            Code.TUS_VERSION, f"Send the header Tus-Resumable: {VERSION}, the version of tus that is spoken here."
        )


def method_meant(method: str, headers: Headers) -> str:
    """Return the method that the request means, which a header may say; `Problem` for one that cannot be meant."""
    meant = headers.get("x-http-method-override", method).strip().upper()
    if meant != method and meant not in METHODS:
        raise Problem(Code.REQUEST_UNREADABLE, "X-HTTP-Method-Override can say HEAD, PATCH or DELETE here.")
    return meant


def read_number(headers: Headers, name: str) -> int | None:
    """Return the number of bytes in the header, None when it is not there; `Problem` when it is none."""
    text = headers.get(name.lower())
    if text is None:
        return None
    if not _NUMBER.fullmatch(text.strip()):
        raise Problem(Code.REQUEST_UNREADABLE, f"{name} is a number of bytes, in decimal digits.")
    return int(text)


def carries_bytes(headers: Headers) -> bool:
    """Return whether the body, by its type, is bytes of an upload."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def announcement(max_size: int) -> dict[str, str]:
    """Return what the answer to OPTIONS says; `max_size` (bytes) is the longest upload that anybody may send."""
    return {
        "tus-resumable": VERSION,
        "tus-version": VERSION,
        "tus-extension": ",".join(EXTENSIONS),
        "tus-max-size": str(max_size),
        "tus-checksum-algorithm": ",".join(ALGORITHMS),
    }
