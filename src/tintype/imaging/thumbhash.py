"""A picture in about 25 bytes: thumbhash (https://evanw.github.io/thumbhash/), and its dominant colour.

A thumbhash is the picture's luminance, two colour axes and perhaps its alpha, each as a few cosine frequencies: the
constant ("DC") and the varying ones ("AC"), four bits per AC frequency, scaled by the channel's largest.

Written for a picture of 32 × 32 pixels or less, in Python alone: the cosine transform is separable, so rows are
projected on each frequency first and only the short projections are projected again (about 2 ms).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final

MAX_SIDE: Final = 100
"""Pixels: the limit of the format's reference; larger input is slow and makes no better hash."""

_LUMINANCE_FREQUENCIES: Final = 7
_LUMINANCE_FREQUENCIES_WITH_ALPHA: Final = 5
_COLOR_FREQUENCIES: Final = 3
_ALPHA_FREQUENCIES: Final = 5

_TRANSPARENT: Final = 16
"""Alpha (0–255) below which a pixel says nothing about the picture's colour."""


@dataclass(frozen=True, slots=True)
class _Channel:
    constant: float
    varying: tuple[float, ...]
    scale: float

    def nibbles(self) -> list[int]:
        """Return the varying terms in 4 bits each, 7.5 being none."""
        if not self.scale:
            return [0 for _ in self.varying]
        return [_round(15 * (0.5 + 0.5 * term / self.scale)) for term in self.varying]


def thumbhash(width: int, height: int, rgba: bytes) -> bytes:
    """Return the thumbhash of `width` × `height` pixels of red, green, blue and alpha (not premultiplied), row by row.

    `ValueError` when a side is above 100 pixels or the bytes do not make that picture.
    """
    if max(width, height) > MAX_SIDE or len(rgba) != 4 * width * height:
        message = f"{len(rgba)} bytes do not make a picture of {width} × {height} that can be hashed"
        raise ValueError(message)
    luminance, yellow_blue, red_green, alpha = _lpqa(rgba)
    has_alpha = min(rgba[3::4]) < 255
    most = _LUMINANCE_FREQUENCIES_WITH_ALPHA if has_alpha else _LUMINANCE_FREQUENCIES
    across = max(1, _round(most * width / max(width, height)))
    down = max(1, _round(most * height / max(width, height)))
    channels = [
        _transform(luminance, width, max(3, across), max(3, down)),
        _transform(yellow_blue, width, _COLOR_FREQUENCIES, _COLOR_FREQUENCIES),
        _transform(red_green, width, _COLOR_FREQUENCIES, _COLOR_FREQUENCIES),
    ]
    if has_alpha:
        channels.append(_transform(alpha, width, _ALPHA_FREQUENCIES, _ALPHA_FREQUENCIES))
    landscape = width > height
    return _pack(channels, shorter=down if landscape else across, landscape=landscape)


def dominant_color(rgba: bytes) -> str:
    """Return the colour (`#rrggbb`) of the largest group of alike pixels; white when nothing is to be seen.

    Pixels are alike when the upper three bits of red, green and blue agree; the answer is the mean of the group.
    """
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for at in range(0, len(rgba), 4):
        if rgba[at + 3] >= _TRANSPARENT:
            groups[(rgba[at] & 0xE0) << 6 | (rgba[at + 1] & 0xE0) << 3 | rgba[at + 2] & 0xE0].append(at)
    if not groups:
        return "#ffffff"
    largest = max(groups.values(), key=len)
    mean = (_round(sum(rgba[at + band] for at in largest) / len(largest)) for band in range(3))
    return "#" + "".join(f"{value:02x}" for value in mean)


def _round(value: float) -> int:
    """Round half up, as the reference does; Python would round half to even."""
    return math.floor(value + 0.5)


def _lpqa(rgba: bytes) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return luminance, yellow–blue, red–green and alpha of every pixel, laid over the average colour, 0–1 or -1–1."""
    alpha = [value / 255 for value in rgba[3::4]]
    bands = [_over_average(rgba[band::4], alpha) for band in range(3)]
    red, green, blue = bands
    return (
        [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)],
        [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)],
        [r - g for r, g in zip(red, green, strict=True)],
        alpha,
    )


def _over_average(band: bytes, alpha: Sequence[float]) -> list[float]:
    seen = [value * opacity / 255 for value, opacity in zip(band, alpha, strict=True)]
    opacity = sum(alpha)
    average = sum(seen) / opacity if opacity else 0.0
    return [value + average * (1 - opacity) for value, opacity in zip(seen, alpha, strict=True)]


def _transform(values: Sequence[float], width: int, across: int, down: int) -> _Channel:
    """Return the cosine transform of the values, row by row: the triangle of its `across` × `down` low frequencies."""
    height = len(values) // width
    rows = [values[at : at + width] for at in range(0, len(values), width)]
    down_waves = [_wave(frequency, height) for frequency in range(down)]
    columns = [[sum(map(mul, row, wave)) for row in rows] for wave in (_wave(f, width) for f in range(across))]
    terms = [
        sum(map(mul, columns[x], down_waves[y])) / len(values)
        for y in range(down)
        for x in range(across)
        if x * down < across * (down - y)
    ]
    constant, *varying = terms
    return _Channel(constant, tuple(varying), max(map(abs, varying)))


def _wave(frequency: int, length: int) -> list[float]:
    return [math.cos(math.pi / length * frequency * (at + 0.5)) for at in range(length)]


def _pack(channels: Sequence[_Channel], *, shorter: int, landscape: bool) -> bytes:
    """Return the bytes: 24 bits of constants, 16 of scales and shape, 8 for alpha, then a nibble per varying term."""
    luminance, yellow_blue, red_green, *alpha = channels
    first = (
        _round(63 * luminance.constant)
        | _round(31.5 + 31.5 * yellow_blue.constant) << 6
        | _round(31.5 + 31.5 * red_green.constant) << 12
        | _round(31 * luminance.scale) << 18
        | bool(alpha) << 23
    )
    second = shorter | _round(63 * yellow_blue.scale) << 3 | _round(63 * red_green.scale) << 9 | landscape << 15
    packed = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    if alpha:
        packed += bytes([_round(15 * alpha[0].constant) | _round(15 * alpha[0].scale) << 4])
    nibbles = [nibble for channel in channels for nibble in channel.nibbles()]
    if len(nibbles) % 2:
        nibbles.append(0)
    return packed + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
