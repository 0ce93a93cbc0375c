"""Step 6: what a page shows before the picture."""

import base64
from typing import Final

from tintype.domain.transform import Fit, Transform
from tintype.imaging.rendering import Rendering
from tintype.imaging.thumbhash import dominant_color, thumbhash
from tintype.ports.renderer import Description

THUMBNAIL: Final = Transform(32, 32, Fit.DOWN)
"""The picture that is described: a thumbhash keeps at most 7 × 7 frequencies, for which 32 pixels are plenty."""


def placeholder(work: Rendering) -> None:
    """Describe the picture by its thumbhash (base64) and its dominant colour."""
    if not work.describe:
        return
    small = work.picture.thumbnail_image(THUMBNAIL.width, height=THUMBNAIL.height, size="down", no_rotate=True)
    if not small.hasalpha():
        small = small.bandjoin(255)
    rgba = bytes(small.cast("uchar").write_to_memory())
    thumbhash_text = base64.b64encode(thumbhash(small.width, small.height, rgba)).decode()
    work.description = Description(thumbhash_text, dominant_color(rgba))
