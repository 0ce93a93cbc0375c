"""The files that take the most memory to decode, each just within what the default kind accepts: 50 MP and 10 MB.

What a decoder holds follows from the format, not from the picture: all coefficients of a progressive JPEG, all rows of
an interlaced PNG, the whole canvas of a lossless WebP or a GIF. So the pictures are plain, and their files small.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyvips
from PIL import Image, ImageChops

MAX_PIXELS: Final = 50_000_000
WIDTH, HEIGHT = 8000, 6250
"""50 MP, the two sides not far apart."""

FRAMES: Final = 50
"""Of an animation: as many pixels in all as one picture may have."""


def largest_files() -> Iterator[tuple[str, bytes]]:
    """Yield what each is, and its bytes."""
    makers: list[tuple[str, Callable[[], bytes]]] = [
        ("JPEG, progressive, 4:4:4", _progressive_jpeg),
        ("JPEG, progressive, CMYK", _cmyk_jpeg),
        ("JPEG, progressive, 65,000 pixels wide", _panorama),
        ("PNG, interlaced, 16 bits, alpha", _interlaced_png),
        ("WebP, lossless, alpha", _lossless_webp),
        ("GIF", lambda: _gif(WIDTH, HEIGHT, 1)),
        (f"GIF, {FRAMES} frames", lambda: _gif(1000, 1000, FRAMES)),
        (f"WebP, {FRAMES} frames", _animated_webp),
    ]
    for name, make in makers:
        yield name, make()


def _plain(width: int, height: int, bands: int) -> Any:  # noqa: ANN401 -- pyvips has no types
    """Return a slow gradient, so that no decoder meets one colour alone."""
    ramp = (pyvips.Image.xyz(width, height)[0] / (width / 255)).cast("uchar")
    return ramp.bandjoin([ramp] * (bands - 1)).copy(interpretation="srgb")


def _progressive_jpeg() -> bytes:
    return bytes(_plain(WIDTH, HEIGHT, 3).jpegsave_buffer(interlace=True, subsample_mode="off", Q=75))


def _panorama() -> bytes:
    width = 65_000
    return bytes(_plain(width, MAX_PIXELS // width, 3).jpegsave_buffer(interlace=True, subsample_mode="off", Q=75))


def _cmyk_jpeg() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("CMYK").save(file, "JPEG", progressive=True)
    return file.getvalue()


def _interlaced_png() -> bytes:
    picture = (_plain(WIDTH, HEIGHT, 4).cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    return bytes(picture.pngsave_buffer(interlace=True, compression=1))


def _lossless_webp() -> bytes:
    return bytes(_plain(WIDTH, HEIGHT, 4).webpsave_buffer(lossless=True, effort=0))


def _gif(width: int, height: int, frames: int) -> bytes:
    still = Image.linear_gradient("L").resize((width, height))
    others = [ImageChops.offset(still, 0, 5 * index) for index in range(1, frames)]
    file = io.BytesIO()
    still.save(file, "GIF", save_all=frames > 1, append_images=others, optimize=False)
    return file.getvalue()


def _animated_webp() -> bytes:
    still = Image.linear_gradient("L").resize((1000, 1000)).convert("RGBA")
    others = [ImageChops.offset(still, 0, 5 * index) for index in range(1, FRAMES)]
    file = io.BytesIO()
    still.save(file, "WEBP", save_all=True, append_images=others, quality=50, method=0)
    return file.getvalue()
