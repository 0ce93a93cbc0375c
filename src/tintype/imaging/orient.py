"""Step 2: the picture is turned as EXIF says, so that no reader has to."""

from tintype.imaging.rendering import Rendering


def orient(work: Rendering) -> None:
    """Turn and mirror the picture as seen (EXIF 2.32, tag 0x0112)."""
    if work.header.orientation == 1:
        return
    work.picture = work.picture.autorot().copy_memory()
