"""Where the pixels of a picture go: pure arithmetic, no pixel is touched.

Every fit is the same three moves: show a centred part of the picture (`cover` crops, the others show all of it),
stretch that part to an exact size, and lay it on a canvas (`contain` pads, for the others the canvas is that size). So
there is one path through the resizer and no rounding of its own: a `cover` box is always exactly the box.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from tintype.domain.transform import Fit, Transform

MAX_FRAME_PIXELS: Final = 16_000_000
"""What a frame may hold before it is cropped: 48–64 MB, room for 4096 × 3072 whole."""

_ROUNDING: Final = 1e-6
"""Pixels; products of fractions that are whole numbers on paper miss them by less than this."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a transform shows a picture: which centred part (fractions of its sides), how large, on what canvas."""

    part_x: float
    part_y: float
    width: int
    height: int
    canvas_width: int
    canvas_height: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A size (pixels) to decode the whole picture at, and the centred part (fractions) of it that is kept."""

    width: int
    height: int
    part_x: float = 1.0
    part_y: float = 1.0


def place(width: int, height: int, transform: Transform) -> Placement:
    """Return how `transform` shows a picture of `width` × `height` pixels (after orientation)."""
    box_x, box_y = transform.width, transform.height
    match transform.fit:
        case Fit.COVER:
            scale = max(box_x / width, box_y / height)
            part_x, part_y = min(1.0, box_x / (width * scale)), min(1.0, box_y / (height * scale))
            return Placement(part_x, part_y, box_x, box_y, box_x, box_y)
        case Fit.FILL:
            return Placement(1.0, 1.0, box_x, box_y, box_x, box_y)
        case Fit.INSIDE | Fit.CONTAIN | Fit.DOWN:
            scale = min(box_x / width, box_y / height)
            if transform.fit is Fit.DOWN:
                scale = min(scale, 1.0)
            inner_x, inner_y = max(1, round(width * scale)), max(1, round(height * scale))
            if transform.fit is Fit.CONTAIN:
                return Placement(1.0, 1.0, inner_x, inner_y, box_x, box_y)
            return Placement(1.0, 1.0, inner_x, inner_y, inner_x, inner_y)


def frames(width: int, height: int, placements: Iterable[Placement]) -> list[tuple[Frame, set[Placement]]]:
    """Return what to decode of a picture of `width` × `height` pixels, and which placements each decode is for.

    That is one frame with the whole picture or, where it would hold more than `MAX_FRAME_PIXELS`, a frame for each kind
    of crop, which keeps only the part it shows.
    """
    wanted = set(placements)
    if not wanted:
        return []
    whole = _frame(width, height, wanted)
    if whole.width * whole.height <= MAX_FRAME_PIXELS:
        return [(Frame(whole.width, whole.height), wanted)]
    by_part: defaultdict[tuple[float, float], set[Placement]] = defaultdict(set)
    for placement in wanted:
        by_part[round(placement.part_x, 6), round(placement.part_y, 6)].add(placement)
    return [(_frame(width, height, group), group) for group in by_part.values()]


def _frame(width: int, height: int, placements: Collection[Placement]) -> Frame:
    """Return the smallest frame that has every pixel the placements need; never larger than the picture itself."""
    scale_x = max(placement.width / (placement.part_x * width) for placement in placements)
    scale_y = max(placement.height / (placement.part_y * height) for placement in placements)
    return Frame(
        width=max(1, math.ceil(width * min(1.0, scale_x) - _ROUNDING)),
        height=max(1, math.ceil(height * min(1.0, scale_y) - _ROUNDING)),
        part_x=max(placement.part_x for placement in placements),
        part_y=max(placement.part_y for placement in placements),
    )


def crop(frame: Frame, part_x: float, part_y: float) -> tuple[int, int]:
    """Return width and height (pixels) of a centred part of the frame.

    The frame's size was rounded up and this rounds down, so that the part that set the frame's scale comes out at
    exactly its final size and is not resampled a second time.
    """
    return (
        max(1, math.floor(frame.width * part_x + _ROUNDING)),
        max(1, math.floor(frame.height * part_y + _ROUNDING)),
    )
