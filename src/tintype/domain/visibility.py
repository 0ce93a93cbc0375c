"""Who may see an image: one decision for original, variants, metadata, lists, pages and streams alike."""

from dataclasses import dataclass
from enum import StrEnum

from tintype.domain.actor import Actor, Scope


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
    """Who asks: `actor` is None for a stranger.

    `shown_token` says whether they hold this image's read token or a signed URL of it, `follows` whether they follow
    its owner.
    """

    actor: Actor | None = None
    shown_token: bool = False
    follows: bool = False


def may_view(visibility: Visibility, *, tenant: int, owner: int | None, viewer: Viewer) -> bool:
    """Return whether `viewer` may see an image of `tenant` that `owner` has with this visibility.

    A no looks like a missing one.
    """
    if visibility in BY_LINK or viewer.shown_token:
        return True
    if visibility is Visibility.FOLLOWERS and viewer.follows:
        return True
    return viewer.actor is not None and viewer.actor.may(Scope.IMAGES_READ, tenant=tenant, owner=owner)
