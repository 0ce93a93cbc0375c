"""Step 1: the file becomes pixels, once, at about the size that is needed."""

import os
import time
from typing import Final

import pyvips

from tintype.domain.format import Format
from tintype.imaging.geometry import crop
from tintype.imaging.libvips import LOADERS
from tintype.imaging.rendering import Header, Rendering
from tintype.ports.renderer import CannotDecode

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
    return Header(fmt, width, height, orientation)


def decode(work: Rendering) -> None:
    """Put the picture into memory at its frame's size, as it is stored: not yet turned, in the file's own colours.

    An animation shows its first frame: see `pipeline`.
    """
    started = time.monotonic()
    frame, turned = work.frame, work.header.turned
    # `thumbnail_source` lets the JPEG and WebP decoders shrink while they load, and streams the rest in strips.
    picture = pyvips.Image.thumbnail_source(
        _source(work.descriptor),
        frame.height if turned else frame.width,
        height=frame.width if turned else frame.height,
        size="force",
        no_rotate=True,
        option_string=_STOP_AT_DAMAGE,
    )
    width, height = crop(frame, frame.part_x, frame.part_y)
    if turned:
        width, height = height, width
    if (width, height) != (picture.width, picture.height):
        picture = picture.crop((picture.width - width) // 2, (picture.height - height) // 2, width, height)
    # A streamed picture can be read once; every output reads it again.
    work.picture = picture.copy_memory()
    work.decode_seconds = time.monotonic() - started


def _source(descriptor: int) -> pyvips.Source:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return pyvips.Source.new_from_descriptor(descriptor)
