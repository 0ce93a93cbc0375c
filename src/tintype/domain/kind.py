"""An upload kind: what may be sent and what is made of it. Kinds are configuration, not code (design §6)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from tintype.domain.format import Format
from tintype.domain.transform import Preset, Recipe
from tintype.domain.visibility import Visibility

ATTACH_WITHIN: Final = timedelta(hours=24)
"""Somebody who is writing what the picture belongs to may sleep over it; what nobody finishes is gone the day after."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the header of a file may claim, checked before a pixel is touched."""

    max_bytes: int
    max_pixels: int
    """Width × height × frames: what a decoder would have to hold."""
    max_frames: int
    formats: frozenset[Format]


@dataclass(frozen=True, slots=True)
class UploadKind:
    """A use case: its limits, what is made of an image, who sees it, what it belongs to."""

    name: str
    limits: Limits
    recipe: Recipe
    visibility: Visibility = Visibility.PUBLIC
    attach: str | None = None
    """The type of what its images belong to; None: to anything, or nothing."""
    attach_within: timedelta = ATTACH_WITHIN
    """For how long an image may belong to nothing yet."""
    one_per_owner: bool = False
    """Whether an owner shows one image of it of each thing: a new one replaces the one before."""
    expires_in: timedelta | None = None
    """How long an image is kept when nobody says how long; None: until it is deleted."""


def presets_of(recipe: Recipe, kind: UploadKind | None) -> tuple[Preset, ...]:
    """Return what an image with this recipe can be shown as: its own presets, and those its kind was given since.

    The later ones are never eager: no job made them.
    """
    added = kind.recipe.presets if kind is not None else ()
    return recipe.presets + tuple(
        replace(preset, eager=False) for preset in added if recipe.preset(preset.name) is None
    )
