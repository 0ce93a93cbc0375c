"""Step 4: the picture in memory becomes each size that is asked for."""

import pyvips

from tintype.imaging.geometry import Placement, crop, place
from tintype.imaging.rendering import Rendering


def resize(work: Rendering) -> None:
    """Describe one picture for each transform, whatever the number of its formats; `encode` computes them."""
    for transform in dict.fromkeys(output.transform for output in work.outputs):
        placement = place(work.header.width, work.header.height, transform)
        shown = _stretch(_show(work, placement), placement)
        work.resized[transform] = _pad(shown, placement)


def _show(work: Rendering, placement: Placement) -> pyvips.Image:
    picture = work.picture
    width, height = crop(work.frame, placement.part_x, placement.part_y)
    if (width, height) == (picture.width, picture.height):
        return picture
    return picture.crop((picture.width - width) // 2, (picture.height - height) // 2, width, height)


def _stretch(picture: pyvips.Image, placement: Placement) -> pyvips.Image:
    if (picture.width, picture.height) == (placement.width, placement.height):
        return picture
    # Unlike `resize` it multiplies by alpha first, so that what is transparent does not bleed into what is not.
    return picture.thumbnail_image(placement.width, height=placement.height, size="force", no_rotate=True)


def _pad(picture: pyvips.Image, placement: Placement) -> pyvips.Image:
    width, height = placement.canvas_width, placement.canvas_height
    if (picture.width, picture.height) == (width, height):
        return picture
    if not picture.hasalpha():
        picture = picture.bandjoin(255)
    x, y = (width - picture.width) // 2, (height - picture.height) // 2
    return picture.embed(x, y, width, height, extend="black")  # and without opacity
