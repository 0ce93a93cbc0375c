"""Step 3: whatever the file's colours are, the picture's are 8-bit sRGB, with or without alpha."""

import contextlib

import pyvips

from tintype.imaging.rendering import Rendering

_PROFILE = "icc-profile-data"


def colour(work: Rendering) -> None:
    """Convert by the embedded profile, or by what the format implies (grey, CMYK). Outputs then need no profile."""
    picture = work.picture
    profiled = picture.get_typeof(_PROFILE) != 0
    if not profiled and picture.interpretation == "srgb":
        return
    if profiled:
        # A profile that cannot be used is ignored, as browsers do; the pixels themselves were read without an error.
        with contextlib.suppress(pyvips.Error):
            picture = picture.icc_transform("srgb", embedded=True, intent="relative")
    if picture.interpretation != "srgb":
        picture = picture.colourspace("srgb")
    work.picture = picture.copy_memory()
