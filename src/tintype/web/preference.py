"""`Prefer` (RFC 7240): what a client would like to be answered."""

from collections.abc import Mapping
from typing import Final

APPLIED: Final = {"preference-applied": "return=representation"}


def wants_representation(headers: Mapping[str, str]) -> bool:
    """Return whether the client prefers to see what came of its request; of two wishes the first counts."""
    wishes = [wish.split(";")[0].strip().lower() for wish in headers.get("prefer", "").split(",")]
    returned = [wish.partition("=") for wish in wishes if wish.startswith("return")]
    return bool(returned) and returned[0][2].strip().strip('"') == "representation"
