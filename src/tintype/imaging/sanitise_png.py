"""PNG and APNG without anything but the picture (PNG, third edition, W3C 2025).

The chunks are walked in order and every CRC is checked. Kept: the critical chunks, the animation, and the ancillary
chunks on which colours and size depend, where decoders heed them. Dropped: text, time, unknown ancillary chunks, and
whatever follows IEND. A chunk of the allow-list that decoders ignore (a wrong length, a second one, one that comes too
late) is dropped too: it shows nothing, and could carry anything.

Orientation: a browser turns a PNG by an eXIf chunk before the image data, and ignores one behind it or one with JPEG's
`Exif` prefix; libvips does the same (tried: Chromium 156, libvips 8.18). So the first early one is rebuilt in its place
with the orientation alone, and every other is dropped: the picture stands the same way up before and after.
"""

import struct
import zlib

from tintype.domain.errors import Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import exif, icc, refusal
from tintype.imaging.apng import Animation
from tintype.imaging.examined import Examined, Splice

MAX_CHUNKS = 65_536
"""Chunks. libpng writes 8 KiB of image data to a chunk, so this allows 512 MiB; each costs about a microsecond."""

_MAX_LENGTH = 2**31 - 1  # section 5.3
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {  # section 11.2.1, table 12
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}
_PROFILE_NAME = b"ICC Profile"
"""What macOS, Pillow and others call every profile. The name is free text that nothing depends on."""

_LENGTHS = {
    b"sRGB": dict.fromkeys(_DEPTHS, 1),
    b"gAMA": dict.fromkeys(_DEPTHS, 4),
    b"cHRM": dict.fromkeys(_DEPTHS, 32),
    b"cICP": dict.fromkeys(_DEPTHS, 4),
    b"pHYs": dict.fromkeys(_DEPTHS, 9),
    b"sBIT": {_GREY: 1, _RGB: 3, _PALETTE: 3, _GREY_ALPHA: 2, _RGB_ALPHA: 4},
    b"bKGD": {_GREY: 2, _RGB: 6, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 6},
    b"tRNS": {_GREY: 2, _RGB: 6},
}
"""Bytes of each chunk by colour type (section 11.3); tRNS of a palette has up to one for each entry."""


def sanitise_png(source: memoryview, limits: Limits) -> Examined:
    """Return what of the PNG is stored; it begins with the signature. Raises `Problem`."""
    return _Walk(source, limits).run()


class _Walk:
    def __init__(self, source: memoryview, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._kept = Splice(source)
        self._size = (0, 0)
        self._colour = _GREY
        self._palette = 0
        self._seen: set[bytes] = set()
        self._taken: set[bytes] = set()
        self._previous = b""
        self._image_bytes = 0
        self._orientation = exif.UPRIGHT
        self._animation: Animation | None = None

    def run(self) -> Examined:
        self._kept.keep(0, 8)
        position = 8
        for _ in range(MAX_CHUNKS):
            kind, stop = self._chunk(position)
            if not self._seen and kind != b"IHDR":
                raise _malformed("its first chunk is not IHDR")
            self._judge(kind, position, stop)
            if kind == b"IEND":
                return self._finish()
            self._seen.add(kind)
            self._previous = kind
            position = stop
        raise _malformed(f"it has more than {MAX_CHUNKS} chunks")

    def _chunk(self, start: int) -> tuple[bytes, int]:
        """Return the type of the chunk at `start` and where it stops; its CRC is right."""
        if start + 12 > len(self._source):
            raise refusal.truncated(Format.PNG)
        length, kind = struct.unpack_from(">I4s", self._source, start)
        if length > _MAX_LENGTH or not kind.isalpha():
            raise _malformed("it has something that is not a chunk")
        stop = start + 12 + length
        if stop > len(self._source):
            raise refusal.truncated(Format.PNG)
        if zlib.crc32(self._source[start + 4 : stop - 4]) != int.from_bytes(self._source[stop - 4 : stop], "big"):
            raise _malformed(f"the checksum of its {kind.decode('ascii')} chunk is wrong")
        return kind, stop

    def _judge(self, kind: bytes, start: int, stop: int) -> None:
        if kind == b"IDAT":
            self._image_data(start, stop)
        elif kind in {b"IHDR", b"PLTE", b"IEND"}:
            self._critical(kind, start, stop)
        elif kind in {b"acTL", b"fcTL", b"fdAT"}:
            self._animate(kind, start, stop)
        elif kind[0] & 0x20 == 0:  # section 5.4: a decoder that does not know a critical chunk cannot show the image
            raise _malformed(f"nothing is known about its {kind.decode('ascii')} chunk")
        elif kind not in self._taken and b"IDAT" not in self._seen and self._ancillary(kind, start, stop):
            self._taken.add(kind)  # decoders take the first sound one of a kind, and none behind the image data

    def _finish(self) -> Examined:
        if not self._image_bytes:
            raise _malformed("it has no image data")
        frames = self._animation.finish() if self._animation else 1
        width, height = exif.oriented(*self._size, self._orientation)
        return Examined(Format.PNG, width, height, frames, self._kept.pieces(), len(self._source))

    # Critical chunks

    def _critical(self, kind: bytes, start: int, stop: int) -> None:
        if kind in self._seen:
            raise _malformed(f"it has two {kind.decode('ascii')} chunks")
        body = bytes(self._source[start + 8 : min(stop - 4, start + 8 + 769)])
        if kind == b"IHDR":
            self._header(body)
        elif kind == b"PLTE":
            self._check_palette(body)
        elif body:
            raise _malformed("its IEND chunk is not empty")
        self._kept.keep(start, stop)

    def _header(self, body: bytes) -> None:
        """Read IHDR (section 11.2.1): the first chunk, so that the limits are checked before anything else is read."""
        if len(body) != 13:
            raise _malformed("its IHDR chunk is not one")
        width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
        if not 1 <= width <= _MAX_LENGTH or not 1 <= height <= _MAX_LENGTH:
            raise _malformed("its width or height is impossible")
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise _malformed("its IHDR chunk asks for what PNG does not have")
        refusal.check_pixels(width, height, width * height, self._limits)
        self._size, self._colour = (width, height), colour

    def _check_palette(self, body: bytes) -> None:
        entries, rest = divmod(len(body), 3)
        if rest or not 1 <= entries <= 256 or b"IDAT" in self._seen or self._colour in {_GREY, _GREY_ALPHA}:
            raise _malformed("its palette is not one")
        self._palette = entries

    def _image_data(self, start: int, stop: int) -> None:
        if b"IDAT" in self._seen and self._previous != b"IDAT":
            raise _malformed("other chunks stand between its image data")
        if self._colour == _PALETTE and not self._palette:
            raise _malformed("its palette is missing")
        self._image_bytes += stop - start - 12
        self._kept.keep(start, stop)

    # Animation

    def _animate(self, kind: bytes, start: int, stop: int) -> None:
        """Keep the chunks of an animation; without an acTL before the image data, decoders ignore the others."""
        body = bytes(self._source[start + 8 : min(stop - 4, start + 8 + 27)])
        if self._animation is None and kind == b"acTL" and b"IDAT" not in self._seen:
            self._animation = Animation(body, self._size, self._limits)
        elif self._animation is None:
            return
        elif kind == b"acTL":
            raise _malformed("it has two acTL chunks")
        elif kind == b"fcTL":
            self._animation.frame_control(body, before_image=b"IDAT" not in self._seen)
        else:
            self._animation.frame_data(body)
        self._kept.keep(start, stop)

    # Ancillary chunks: each method returns whether decoders would take the chunk

    def _ancillary(self, kind: bytes, start: int, stop: int) -> bool:
        if kind == b"eXIf":
            return self._exif(start, stop)
        if kind == b"iCCP":
            return self._profile(start, stop)
        if kind == b"tRNS" and self._colour == _PALETTE and not self._palette:
            raise _malformed("its transparency comes before its palette")  # libpng ignores it, other decoders do not
        if kind not in _LENGTHS or not self._has_right_length(kind, stop - start - 12):
            return False
        self._kept.keep(start, stop)
        return True

    def _has_right_length(self, kind: bytes, length: int) -> bool:
        if kind == b"tRNS" and self._colour == _PALETTE:
            return 1 <= length <= self._palette
        return _LENGTHS[kind].get(self._colour) == length

    def _exif(self, start: int, stop: int) -> bool:
        if not exif.is_tiff(self._source[start + 8 : stop - 4]):
            return False
        self._orientation = exif.orientation_of(self._source[start + 8 : stop - 4])
        if self._orientation != exif.UPRIGHT:
            self._kept.put(start, stop, _chunk_of(b"eXIf", exif.orientation_block(self._orientation)))
        return True

    def _profile(self, start: int, stop: int) -> bool:
        """Keep iCCP (section 11.3.2.3: a name, 0, method 0, a zlib stream) when it holds a profile; rename it."""
        name, separator, _ = bytes(self._source[start + 8 : min(stop - 4, start + 8 + 80)]).partition(b"\0")
        stream = start + 8 + len(name) + 2
        if not name or not separator or stream >= stop - 4 or self._source[stream - 1]:
            return False
        try:
            data, more = icc.inflate(self._source[stream : stop - 4])
            profile = icc.profile_in(data)
        except icc.ProfileTooLarge:
            raise _malformed(icc.TOO_LARGE) from None
        if profile is None:
            return False
        whole = len(profile) == len(data) and not more
        packed = bytes(self._source[stream : stop - 4]) if whole else zlib.compress(profile)
        self._kept.put(start, stop, _chunk_of(b"iCCP", _PROFILE_NAME + b"\0\0" + packed))
        return True


def _chunk_of(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _malformed(what: str) -> Problem:
    return refusal.malformed(Format.PNG, what)
