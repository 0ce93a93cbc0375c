"""Step 1: the file becomes pixels, once, at about the size that is needed."""

import os
import time
from typing import Final

import pyvips

from tintype.domain.format import Format
from tintype.imaging.geometry import Frame, crop
from tintype.imaging.libvips import LOADERS
from tintype.imaging.rendering import Header, Rendering
from tintype.ports.renderer import CannotDecode

PROFILE: Final = "icc-profile-data"
"""Where libvips keeps the profile of a picture."""

_STOP_AT_DAMAGE: Final = "[fail_on=error]"
"""By default libvips shows grey where a file ends early. Warnings pass: real cameras cause them.

An option of the loader, because `thumbnail_source` accepts `fail_on` and ignores it (libvips/libvips#5195, in 8.18.7).
"""


def read_header(descriptor: int, fmt: Format) -> Header:
    """Return what the file's header says. `CannotDecode` when it is not of the format it was stored as."""
    image = pyvips.Image.new_from_source(_source(descriptor), _STOP_AT_DAMAGE, access="sequential")
    if image.get("vips-loader") != LOADERS[fmt]:
        raise CannotDecode(f"stored as {fmt}, but opened by {image.get('vips-loader')}")
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    width, height = image.width, image.height
    if orientation >= 5:
        width, height = height, width
    # CMYK has to become RGB before it can be resized: libvips does that, by the embedded profile or one of its own.
    profile = image.get(PROFILE) if image.get_typeof(PROFILE) and image.interpretation != "cmyk" else None
    return Header(fmt, width, height, orientation, profile)


def decode(work: Rendering) -> None:
    """Put the picture into memory at its frame's size, as it is stored: not yet turned, in the file's own colours.

    An animation shows its first frame: see `pipeline`.
    """
    started = time.monotonic()
    frame = work.frame
    streamed = _whole(work) if frame.part_x == frame.part_y == 1 else _part(work)
    # A streamed picture can be read once; every output reads it again.
    work.picture = without_profile(streamed.copy_memory())
    work.decode_seconds = time.monotonic() - started


def _whole(work: Rendering) -> pyvips.Image:
    """Let the JPEG and WebP decoders shrink while they load, and stream the rest in strips."""
    width, height = _as_stored(work, work.frame.width, work.frame.height)
    return pyvips.Image.thumbnail_source(
        _source(work.descriptor),
        width,
        height=height,
        size="force",
        no_rotate=True,
        option_string=_STOP_AT_DAMAGE,
    )


def _part(work: Rendering) -> pyvips.Image:
    """Crop first: where whole pictures are too large to hold, so is what resizing keeps of their rows."""
    frame, header = work.frame, work.header
    image = pyvips.Image.new_from_source(_source(work.descriptor), _STOP_AT_DAMAGE, access="sequential")
    width, height = _as_stored(work, *crop(Frame(header.width, header.height), frame.part_x, frame.part_y))
    image = image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)
    width, height = _as_stored(work, *crop(frame, frame.part_x, frame.part_y))
    return image.thumbnail_image(width, height=height, size="force", no_rotate=True)


def _as_stored(work: Rendering, width: int, height: int) -> tuple[int, int]:
    return (height, width) if work.header.turned else (width, height)


def without_profile(picture: pyvips.Image) -> pyvips.Image:
    """Return the same pixels without a colour profile.

    Where libvips used a profile of its own, it attaches it, and without an operation cache (`libvips.confine`) frees it
    as well: whoever reads it later reads whatever is there by then (8.18.7; seen as a crash, and by valgrind).
    """
    if not picture.get_typeof(PROFILE):
        return picture
    picture = picture.copy()
    picture.remove(PROFILE)
    return picture


def _source(descriptor: int) -> pyvips.Source:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return pyvips.Source.new_from_descriptor(descriptor)
