"""GIF without anything but the pictures (GIF89a specification, 1990).

Kept: the header, the colour tables, graphic controls (timing, transparency, disposal), images, and the loop count of
NETSCAPE2.0 and its twin ANIMEXTS1.0, which browsers read alike. Dropped: comments, plain text (which no browser shows),
every other application block (XMP, ICC), and whatever follows the trailer.

The canvas: like libvips, Pillow and Chromium (tried) a first frame that reaches beyond the declared screen enlarges it;
later ones are cut off at its edge by libvips and Chromium, so that they are let through but counted at full size.
"""

import re

from tintype.domain.errors import Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import refusal
from tintype.imaging.examined import Examined, Splice

MAX_EXTENSIONS = 65_536
"""Extension blocks. A frame needs one; each costs about a microsecond."""

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_MAX_CODE_SIZE = 11  # LZW codes have at most 12 bits, one more than the code size (appendix F)

# A chain of sub-blocks is found in C: in Python, ten megabytes of one-byte sub-blocks would take seconds. Alternatives
# are tried in order, so that those that can occur most often in a file of a given size, the short ones, come early;
# the very first is the full block that encoders write. `*+` never goes back, which keeps memory flat.
_SUB_BLOCKS = re.compile(
    b"(?:" + b"|".join(rb"\x%02x.{%d}" % (size, size) for size in (255, *range(1, 255))) + rb")*+\x00", re.DOTALL
)


def sanitise_gif(source: memoryview, limits: Limits) -> Examined:
    """Return what of the GIF is stored; it begins with the signature. Raises `Problem`."""
    return _Walk(source, limits).run()


class _Walk:
    def __init__(self, source: memoryview, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._kept = Splice(source)
        self._canvas = (0, 0)
        self._frames = 0
        self._pixels = 0
        self._extensions = 0

    def run(self) -> Examined:
        position = self._screen()
        while (introducer := self._byte(position)) != _TRAILER:
            if introducer == _IMAGE:
                position = self._image(position)
            elif introducer == _EXTENSION:
                position = self._extension(position)
            else:
                raise _malformed("it has something that is not a block")
        if not self._frames:
            raise _malformed("it has no picture in it")
        self._kept.keep(position, position + 1)
        return Examined(Format.GIF, *self._canvas, self._frames, self._kept.pieces(), len(self._source))

    def _screen(self) -> int:
        """Read the logical screen descriptor (section 18); return where its colour table stops."""
        flags = self._byte(10)
        width, height = self._pair(6)
        refusal.check_pixels(width, height, width * height, self._limits)
        self._canvas = (width, height)
        stop = 13 + _table_bytes(flags)
        self._kept.keep(0, stop)
        return stop

    def _image(self, start: int) -> int:
        """Keep the image (section 20) at `start`; return where it stops."""
        flags = self._byte(start + 9)
        left, top = self._pair(start + 1)
        width, height = self._pair(start + 5)
        self._count_frame(left, top, width, height)
        data = start + 10 + _table_bytes(flags)
        if not 1 <= self._byte(data) <= _MAX_CODE_SIZE:
            raise _malformed("a picture has an impossible code size")
        stop = self._end_of_sub_blocks(data + 1)
        self._kept.keep(start, stop)
        return stop

    def _count_frame(self, left: int, top: int, width: int, height: int) -> None:
        """Count while walking, so that a bomb of frames ends at the limit and not at its end."""
        if not width or not height:
            raise _malformed("a frame has a width or height of 0")
        if not self._frames:
            self._canvas = (max(self._canvas[0], left + width), max(self._canvas[1], top + height))
        self._frames += 1
        self._pixels += max(self._canvas[0] * self._canvas[1], width * height)
        refusal.check_frames(self._frames, self._limits)
        refusal.check_pixels(*self._canvas, self._pixels, self._limits)

    def _extension(self, start: int) -> int:
        """Judge the extension (section 23) at `start`; return where it stops."""
        self._extensions += 1
        if self._extensions > MAX_EXTENSIONS:
            raise _malformed(f"it has more than {MAX_EXTENSIONS} extension blocks")
        label = self._byte(start + 1)
        stop = self._end_of_sub_blocks(start + 2)
        head = bytes(self._source[start : min(stop, start + 19)])
        if label == _GRAPHIC_CONTROL:
            if head[2] != 4:
                raise _malformed("a graphic control is not one")
            self._kept.put(start, stop, head[:7] + b"\0")
        elif label == _APPLICATION and head[2:3] == b"\x0b" and head[3:14] in _LOOPS and head[14:16] == b"\x03\x01":
            self._kept.put(start, stop, head[:18] + b"\0")
        return stop

    def _end_of_sub_blocks(self, start: int) -> int:
        match = _SUB_BLOCKS.match(self._source, start)
        if match is None:
            raise refusal.truncated(Format.GIF)
        return match.end()

    def _pair(self, at: int) -> tuple[int, int]:
        return (
            int.from_bytes(self._source[at : at + 2], "little"),
            int.from_bytes(self._source[at + 2 : at + 4], "little"),
        )

    def _byte(self, at: int) -> int:
        if at >= len(self._source):
            raise refusal.truncated(Format.GIF)
        return self._source[at]


def _table_bytes(flags: int) -> int:
    """Bytes of the colour table that `flags` announce (sections 18 and 20)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _malformed(what: str) -> Problem:
    return refusal.malformed(Format.GIF, what)
