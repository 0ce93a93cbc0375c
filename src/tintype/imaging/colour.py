"""Step 3: whatever the file's colours are, the picture's are 8-bit sRGB, with or without alpha."""

import contextlib

import pyvips

from tintype.imaging.decode import PROFILE, without_profile
from tintype.imaging.rendering import Rendering


def colour(work: Rendering) -> None:
    """Convert by the embedded profile, or by what the format implies (grey, CMYK). Outputs then need no profile."""
    picture, profile = work.picture, work.header.profile
    if profile is None and picture.interpretation == "srgb":
        return
    if profile is not None:
        picture = picture.copy()
        picture.set_type(pyvips.GValue.blob_type, PROFILE, profile)
        # A profile that cannot be used is ignored, as browsers do; the pixels themselves were read without an error.
        with contextlib.suppress(pyvips.Error):
            picture = picture.icc_transform("srgb", embedded=True, intent="relative")
    if picture.interpretation != "srgb":
        picture = picture.colourspace("srgb")
    work.picture = without_profile(picture.copy_memory())
