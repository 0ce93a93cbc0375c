"""The format that a browser wants most, of those that there are (RFC 9110 §12.5.1, cut to what caches key on)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from tintype.domain.format import Format

PREFERENCE: Final = (Format.WEBP, Format.JPEG, Format.PNG)
"""Smallest first."""

MAX_ACCEPT_CHARACTERS: Final = 1024
"""A browser's Accept is a tenth of it; what is longer is read no further."""

REMEMBERED_HEADERS: Final = 256
"""Browsers send the same few, and reading one takes as long as finding the image."""


def choose_format(accept: str | None, available: Sequence[Format]) -> Format:
    """Return the best of `available` for the `Accept` header.

    WebP only to who names it: `*/*` is what every program says, also those that cannot show it. Nobody is refused for
    want of a format (RFC 9110 allows it); they get the most widely known one.
    """
    named = _accepted((accept or "")[:MAX_ACCEPT_CHARACTERS])
    for fmt in PREFERENCE:
        if fmt in available and fmt.media_type in named:
            return fmt
    for fmt in (Format.JPEG, Format.PNG, *available):
        if fmt in available:
            return fmt
    raise ValueError("there is no format to choose from")


@lru_cache(maxsize=REMEMBERED_HEADERS)
def _accepted(accept: str) -> frozenset[str]:
    """Return the media types that are named with a quality above 0."""
    named = set()
    for item in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        if not any(_is_zero_quality(parameter) for parameter in parameters):
            named.add(media_type)
    return frozenset(named)


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in {"", "0.", "."}
