"""Bytes to variants: one ordered list of steps, each in the file of its name.

A picture is decoded once, at the size of the largest file asked for, and every file is made from that one. Two things
bend the rule. The whole picture is decoded even where only its middle is shown, so that whether a file is damaged does
not depend on what was asked of it. And where that would hold too much (a panorama 65,000 pixels wide, made to fill a
square) each kind of crop is decoded for itself and keeps its part alone.

An animation shows its first frame, in WebP too: what a gallery shows at 600 pixels is a still, frames × outputs would
multiply the cost of a job by a number that the sender chooses, and `original` still moves.

The pixels of a variant depend a little on what is made along with it (300 pixels from 600, or from the file): both are
right, whichever is stored first stays.
"""

from collections.abc import Callable, Iterator
from typing import Final

import pyvips

from tintype.domain.transform import Transform
from tintype.imaging.colour import colour
from tintype.imaging.decode import decode, read_header
from tintype.imaging.encode import encode
from tintype.imaging.geometry import Placement, frames, place
from tintype.imaging.orient import orient
from tintype.imaging.placeholder import THUMBNAIL, placeholder
from tintype.imaging.rendering import Header, Rendering
from tintype.imaging.resize import resize
from tintype.ports.renderer import CannotDecode, Rendered, RenderRequest

STEPS: Final[tuple[Callable[[Rendering], None], ...]] = (decode, orient, colour, resize, encode, placeholder)


def render(request: RenderRequest, descriptor: int) -> Rendered:
    """Return what the request asks for, made from the file behind `descriptor` (readable and seekable).

    `CannotDecode` when the file is damaged, not of its format or more than memory allows. Call `libvips.confine` first.
    """
    try:
        header = read_header(descriptor, request.format)
        finished = [_run(work) for work in _plan(request, descriptor, header)]
    except pyvips.Error as error:
        raise CannotDecode(str(error)) from error
    variants = {output: variant for work in finished for output, variant in work.variants.items()}
    return Rendered(
        variants=tuple(variants[output] for output in request.outputs),
        description=next((work.description for work in finished if work.description), None),
        decode_seconds=sum(work.decode_seconds for work in finished),
    )


def _plan(request: RenderRequest, descriptor: int, header: Header) -> Iterator[Rendering]:
    """Give one rendering for everything or, where that would hold too much, one for each kind of crop."""

    def placed(transform: Transform) -> Placement:
        return place(header.width, header.height, transform)

    wanted = [placed(output.transform) for output in request.outputs]
    if request.describe:
        wanted.append(placed(THUMBNAIL))
    for frame, group in frames(header.width, header.height, wanted):
        outputs = tuple(output for output in request.outputs if placed(output.transform) in group)
        describe = request.describe and placed(THUMBNAIL) in group
        yield Rendering(descriptor, header, frame, outputs, describe)


def _run(work: Rendering) -> Rendering:
    for step in STEPS:
        step(work)
    work.release()
    return work
