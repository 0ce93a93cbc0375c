"""WebP without anything but the pictures (RFC 9649).

Kept: the image (`VP8 `, `VP8L`), its alpha (`ALPH`), the animation (`ANIM`, `ANMF`) and a well-formed ICC profile.
Dropped: EXIF, XMP, unknown chunks, also inside of frames, and whatever follows the RIFF chunk. The sizes and the
feature flags are rebuilt to match. Where parts contradict each other (flags, canvas, bitstream) the file is refused:
decoders differ there.

Orientation: browsers show a WebP as it is stored and ignore the orientation in its EXIF (tried: Chromium 156;
Firefox's decoder reads none), but libvips turns it. So EXIF is dropped whole: what a browser showed before, it shows
afterwards, and the variants stand the same way up as the original.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from tintype.domain.errors import Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import icc, refusal
from tintype.imaging.examined import Examined, Splice

MAX_CHUNKS = 65_536
"""Chunks, those inside of frames included. A frame has at most three; each costs about a microsecond."""

_ANIMATED, _ALPHA, _PROFILE = 0x02, 0x10, 0x20  # flags of VP8X (section 2.7)
_BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
_HEADER = 12  # RIFF, its size, WEBP
_EXTENDED = 18  # VP8X with its own header
_FRAME = 16  # of ANMF, before the frame's own chunks (section 2.7.1.1)


class _Chunk(NamedTuple):
    """Where a chunk stands in the source; `stop` excludes the byte of padding, `end` includes it."""

    kind: bytes
    start: int
    stop: int
    end: int

    @property
    def body(self) -> int:
        return self.start + 8


def sanitise_webp(source: memoryview, limits: Limits) -> Examined:
    """Return what of the WebP is stored; it begins with its RIFF header. Raises `Problem`."""
    return _Walk(source, limits).run()


class _Walk:
    def __init__(self, source: memoryview, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._kept = Splice(source)
        self._chunks = 0
        self._canvas = (0, 0)
        self._flags = 0
        self._frames = 0
        self._profile = False
        self._animation = False
        self._still: list[_Chunk] = []

    def run(self) -> Examined:
        if len(self._source) < _HEADER + 8:
            raise refusal.truncated(Format.WEBP)
        stop = 8 + int.from_bytes(self._source[4:8], "little")
        first = self._chunk_at(_HEADER, stop)
        if first.kind == b"VP8X":
            self._extended(first, stop)
        elif first.kind in _BITSTREAMS:
            self._simple(first)
        else:
            raise _malformed("its first chunk is not an image")
        if stop > len(self._source):
            raise refusal.truncated(Format.WEBP)
        whole = Splice(self._source)
        whole.put(0, _HEADER, b"RIFF" + struct.pack("<I", 4 + self._kept.size) + b"WEBP")
        whole.extend(self._kept.pieces())
        return Examined(Format.WEBP, *self._canvas, self._frames or 1, whole.pieces(), len(self._source))

    def _chunk_at(self, start: int, stop: int) -> _Chunk:
        """Return the chunk at `start`, which ends by `stop`, the end of what it is part of."""
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise _malformed(f"it has more than {MAX_CHUNKS} chunks")
        if start + 8 > min(stop, len(self._source)):
            raise refusal.truncated(Format.WEBP)
        kind, length = struct.unpack_from("<4sI", self._source, start)
        end = start + 8 + length + (length & 1)
        if end > stop:
            raise _malformed("a chunk is longer than what it is part of")
        return _Chunk(kind, start, start + 8 + length, end)

    def _chunks_between(self, start: int, stop: int) -> Iterator[_Chunk]:
        while start < stop:
            chunk = self._chunk_at(start, stop)
            if chunk.end > len(self._source):
                raise refusal.truncated(Format.WEBP)
            yield chunk
            start = chunk.end

    def _simple(self, image: _Chunk) -> None:
        self._canvas = self._size_of(image)
        refusal.check_pixels(*self._canvas, self._canvas[0] * self._canvas[1], self._limits)
        self._kept.keep(image.start, image.end)

    # The extended format

    def _extended(self, header: _Chunk, stop: int) -> None:
        self._read_canvas(header)
        parts, self._kept = self._kept, Splice(self._source)
        for chunk in self._chunks_between(header.end, stop):
            self._judge(chunk)
        if self._flags & _ANIMATED:
            self._expect(self._frames, "its animation has no frames")
        else:
            self._expect(self._picture(self._still, self._kept) == self._canvas, "its canvas is not its picture's size")
        flags = self._flags & (_ANIMATED | _ALPHA) | (_PROFILE if self._profile else 0)
        canvas = bytes(self._source[header.body + 4 : header.stop])
        parts.put(header.start, header.end, b"VP8X" + struct.pack("<II", 10, flags) + canvas)
        parts.extend(self._kept.pieces())
        self._kept = parts

    def _read_canvas(self, header: _Chunk) -> None:
        """Read VP8X (section 2.7): the limits are checked before anything else is read."""
        self._expect(header.stop - header.body == 10, "its VP8X chunk is not one")
        if header.end > len(self._source):
            raise refusal.truncated(Format.WEBP)
        self._flags = self._source[header.body]
        self._canvas = (self._uint24(header.body + 4) + 1, self._uint24(header.body + 7) + 1)
        refusal.check_pixels(*self._canvas, self._canvas[0] * self._canvas[1], self._limits)

    def _judge(self, chunk: _Chunk) -> None:
        animated = bool(self._flags & _ANIMATED)
        if chunk.kind == b"ICCP":
            self._icc(chunk)
        elif chunk.kind == b"ANIM" and animated:
            self._expect(not self._animation and chunk.stop - chunk.body == 6, "its ANIM chunk is not one")
            self._animation = True
            self._kept.keep(chunk.start, chunk.end)
        elif chunk.kind == b"ANMF" and animated:
            self._expect(self._animation, "a frame comes before the animation")
            self._frame(chunk)
        elif chunk.kind in _BITSTREAMS or chunk.kind == b"ALPH":
            self._expect(not animated, "its animation has a picture that is no frame")
            self._still.append(chunk)
        elif chunk.kind in {b"ANIM", b"ANMF", b"VP8X"}:
            raise _malformed(f"its {chunk.kind.decode('ascii')} chunk does not belong in it")

    def _icc(self, chunk: _Chunk) -> None:
        """Keep the first profile; decoders heed it only where the flag announces it."""
        if self._profile or self._still or self._frames or not self._flags & _PROFILE:
            return
        try:
            profile = icc.profile_in(self._source[chunk.body : chunk.stop])
        except icc.ProfileTooLarge:
            raise _malformed(icc.TOO_LARGE) from None
        if profile is not None:
            self._profile = True
            padding = bytes(len(profile) & 1)
            self._kept.put(chunk.start, chunk.end, struct.pack("<4sI", b"ICCP", len(profile)) + profile + padding)

    def _frame(self, chunk: _Chunk) -> None:
        """Keep a frame; when something inside of it is dropped, its size is written anew."""
        self._frames += 1
        refusal.check_frames(self._frames, self._limits)
        refusal.check_pixels(*self._canvas, self._canvas[0] * self._canvas[1] * self._frames, self._limits)
        self._expect(chunk.stop - chunk.body >= _FRAME, "a frame is too short")
        left, top, width, height = (self._uint24(chunk.body + 3 * index) for index in range(4))
        size = (width + 1, height + 1)
        fits = 2 * left + size[0] <= self._canvas[0] and 2 * top + size[1] <= self._canvas[1]
        self._expect(fits, "a frame does not lie within the canvas")
        parts = [
            part
            for part in self._chunks_between(chunk.body + _FRAME, chunk.stop)
            if part.kind in {*_BITSTREAMS, b"ALPH"}
        ]
        picture = Splice(self._source)
        self._expect(self._picture(parts, picture) == size, "a frame is not of the size that it says")
        self._kept.put(chunk.start, chunk.body, b"ANMF" + struct.pack("<I", _FRAME + picture.size))
        self._kept.keep(chunk.body, chunk.body + _FRAME)
        self._kept.extend(picture.pieces())

    def _picture(self, parts: list[_Chunk], kept: Splice) -> tuple[int, int]:
        """Keep the chunks of one picture, in the only orders there are; return its width and height."""
        kinds = [part.kind for part in parts]
        self._expect(kinds in ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "]), "a picture is not one")
        for part in parts:
            self._expect(part.stop > part.body, "a picture is empty")
            kept.keep(part.start, part.end)
        return self._size_of(parts[-1])

    # Bitstreams

    def _size_of(self, image: _Chunk) -> tuple[int, int]:
        """Return width and height from the bitstream's header, which is read before the file is known to be whole."""
        head = bytes(self._source[image.body : min(image.stop, image.body + 10)])
        if len(head) < min(10, image.stop - image.body):
            raise refusal.truncated(Format.WEBP)
        return _lossy_size(head) if image.kind == b"VP8 " else _lossless_size(head)

    def _uint24(self, at: int) -> int:
        return int.from_bytes(self._source[at : at + 3], "little")

    @staticmethod
    def _expect(condition: object, what: str) -> None:
        if not condition:
            raise _malformed(what)


def _lossy_size(head: bytes) -> tuple[int, int]:
    """Read the frame header of VP8 (RFC 6386, section 9.1): a key frame that is shown, the start code, 14 bits each."""
    if len(head) < 10 or head[0] & 0x11 != 0x10 or head[3:6] != b"\x9d\x01\x2a":
        raise _malformed("a lossy picture does not begin as one")
    width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    if not width or not height:
        raise _malformed("its width or height is 0")
    return width, height


def _lossless_size(head: bytes) -> tuple[int, int]:
    """Read the header of VP8L (RFC 9649, section 3.4): a signature, 14 bits each of width and height less one."""
    if len(head) < 5 or head[0] != 0x2F or head[4] >> 5:
        raise _malformed("a lossless picture does not begin as one")
    packed = int.from_bytes(head[1:5], "little")
    return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1


def _malformed(what: str) -> Problem:
    return refusal.malformed(Format.WEBP, what)
