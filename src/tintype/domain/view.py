"""What counts as a view of an image: it was sent large enough to be looked at.

A grid of thumbnails is scrolled past, and one visit to it would be a view of everything in it. So the original counts,
and a preset whose box is as large as a screen; a smaller one does not.
"""

from dataclasses import dataclass
from typing import Final

from tintype.domain.transform import Preset

LARGE_SIDE: Final = 1024
"""Pixels of the longer side of a box from which on a picture is opened rather than listed."""


@dataclass(frozen=True, slots=True)
class ViewedImage:
    """Whose view it is."""

    tenant: int
    image: int


def is_large(preset: Preset) -> bool:
    """Return whether whoever is sent this preset views the image."""
    return max(preset.transform.width, preset.transform.height) >= LARGE_SIDE
