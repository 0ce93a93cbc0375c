"""Who may see an image: one decision for original, variants and metadata alike."""

from dataclasses import dataclass
from enum import StrEnum


class Visibility(StrEnum):
    """What the owner chose."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    PRIVATE = "private"


BY_LINK = frozenset({Visibility.PUBLIC, Visibility.UNLISTED})
"""Seen by whoever has the link, which nobody can guess."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: `manages` is the tenant whose API key they hold, `shown_token` whether they hold this image's token."""

    manages: int | None = None
    shown_token: bool = False


def may_view(visibility: Visibility, tenant: int, viewer: Viewer) -> bool:
    """Return whether `viewer` may see an image of `tenant` with this visibility. A no looks like a missing one."""
    return visibility in BY_LINK or viewer.shown_token or viewer.manages == tenant
