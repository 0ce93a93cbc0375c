"""Which sizes of an image there are to share: how large each comes out, and which of them shows the whole picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tintype.domain.format import Format
from tintype.domain.image import Image, State
from tintype.domain.transform import Fit, Preset
from tintype.imaging.geometry import place

SMALL_ORIGINAL_BYTES: Final = 300_000
"""An original below it is shown itself: another size would hardly be quicker, and may have to be made first."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size that can be had, in pixels. `whole` is not cropped.

    `path` leads to one format that every program can show, `page_path` to the best that a browser can.
    """

    name: str
    path: str
    page_path: str
    width: int
    height: int
    media_type: str
    whole: bool

    def fits(self, width: int | None, height: int | None) -> bool:
        """Return whether it is no larger than that; None is no limit."""
        return (width is None or self.width <= width) and (height is None or self.height <= height)


def original_size(image: Image) -> Size:
    """Return the original."""
    path = f"/i/{image.ref}/original.{image.format.extension}?v={image.version}"
    return Size("original", path, path, image.width, image.height, image.format.media_type, whole=True)


def preset_sizes(image: Image, presets: Sequence[Preset]) -> list[Size]:
    """Return what its presets make of the image, as JPEG, the largest first: every program can show one."""
    sizes = [_preset_size(image, preset) for preset in presets]
    return sorted(sizes, key=lambda size: size.width * size.height, reverse=True)


def _preset_size(image: Image, preset: Preset) -> Size:
    placed = place(image.width, image.height, preset.transform)
    stem, version = f"/i/{image.ref}/{preset.name}", f"v={image.version}"
    return Size(
        name=preset.name,
        path=f"{stem}.{Format.JPEG.extension}?{version}",
        page_path=f"{stem}?{version}",
        width=placed.canvas_width,
        height=placed.canvas_height,
        media_type=Format.JPEG.media_type,
        whole=preset.transform.fit in {Fit.INSIDE, Fit.DOWN},
    )


def shown_size(image: Image, presets: Sequence[Preset]) -> Size:
    """Return what a page shows: the largest whole size; the original if that moves, is small, or all there is."""
    original = original_size(image)
    if image.state is not State.READY or image.frames > 1 or image.size <= SMALL_ORIGINAL_BYTES:
        return original
    return next((size for size in preset_sizes(image, presets) if size.whole), original)


def embedded_size(image: Image, presets: Sequence[Preset], width: int | None, height: int | None) -> Size | None:
    """Return the largest size within the limits, a whole one if there is any; None when the smallest is too large."""
    shown = shown_size(image, presets)
    wholes = [size for size in (shown, *preset_sizes(image, presets), original_size(image)) if size.whole]
    cropped = [size for size in preset_sizes(image, presets) if not size.whole]
    return next((size for size in (*wholes, *cropped) if size.fits(width, height)), None)
