"""Pictures that compress as photographs do, made on the spot: detail at every scale, as light and lenses leave it.

A photograph's power falls with spatial frequency (about 1/f² in natural scenes: Field, 1987), so noise is laid over
itself at every octave with the amplitude falling towards the fine ones. Gradients or white noise would be several
times too easy or too hard for an encoder.
"""

import io
import random
import re
from collections.abc import Iterator
from typing import Final

from PIL import Image, ImageChops

OCTAVES: Final = 8
COARSE_SIGMA: Final = 40.0
"""Grey levels of the coarsest octave; each finer one has `FALL` of it."""

FALL: Final = 0.72
CHROMA: Final = 0.35
"""Colours vary less than light does."""

INTERVALS: Final = 16
"""Parts of a JPEG between restart markers: enough to be put in any order, few enough to be an ordinary file."""

_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")


def photograph(width: int, height: int) -> Image.Image:
    """Return an RGB picture of `width` × `height` pixels; no two are alike."""
    light = _octaves(width, height, COARSE_SIGMA)
    half = (max(1, width // 2), max(1, height // 2))
    chroma = [_octaves(*half, COARSE_SIGMA * CHROMA).resize((width, height)) for _ in range(2)]
    return Image.merge("YCbCr", [light, *chroma]).convert("RGB")


def _octaves(width: int, height: int, sigma: float) -> Image.Image:
    """Return one band, built from the coarsest octave to the finest."""
    band = Image.new("L", (1, 1), 128)
    for octave in reversed(range(OCTAVES)):
        size = (max(1, width >> octave), max(1, height >> octave))
        finer = Image.effect_noise(size, sigma * FALL ** (OCTAVES - 1 - octave))
        band = ImageChops.add(band.resize(size, Image.Resampling.BICUBIC), finer, offset=-128)
    return band


def jpeg_of(picture: Image.Image, size: int, *, tolerance: float = 0.04) -> bytes:
    """Return the picture as a baseline JPEG of about `size` bytes, by the quality that gives it."""
    low, high = 5, 97
    while True:
        quality = (low + high) // 2
        data = _jpeg(picture, quality)
        if abs(len(data) - size) <= tolerance * size or high - low <= 1:
            return data
        low, high = (quality, high) if len(data) < size else (low, quality)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    rows = -(-picture.height // 16)  # of 16 × 16 pixels, with colours at half the resolution
    picture.save(file, "JPEG", quality=quality, restart_marker_rows=-(-rows // INTERVALS))
    return file.getvalue()


def distinct_jpegs(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield JPEGs as large as `data`, each with other pixels, for the price of copying its bytes.

    The parts between restart markers are coded independently (ITU-T T.81, F.1.1.5.1), so they can stand in any order;
    the markers themselves keep theirs. Nothing outside the picture differs: a sanitiser cannot make them equal again.
    """
    start = _end_of_headers(data)
    parts = _RESTART.split(data[start:-2])
    last = parts.pop()  # may be a shorter part: it stays where it is
    dice = random.Random(seed)
    while True:
        dice.shuffle(parts)
        pieces = [data[:start]]
        for number, part in enumerate(parts):
            pieces += [part, bytes((0xFF, 0xD0 + number % 8))]
        yield b"".join([*pieces, last, data[-2:]])


def _end_of_headers(data: bytes) -> int:
    """Return where the entropy-coded data of a baseline JPEG begins: after its one SOS segment."""
    position = 2
    while data[position + 1] != 0xDA:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
