"""Examination: whether a file is an image that may be kept, how large it is, and which of its bytes are stored.

Nothing is decoded: the file is sniffed, its header is held against the limits before the rest is walked, and the walk
makes the lossless copy: an allow-list of segments, chunks and blocks, pixels byte for byte as they were. Everything
here is Python over a buffer, so that a hostile file can make it neither read out of bounds nor run long: every loop
has a named limit, and what is proportional to the file runs in `re` and `zlib`.
"""

import mmap
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import refusal
from tintype.imaging.examined import Examined
from tintype.imaging.sanitise_gif import sanitise_gif
from tintype.imaging.sanitise_jpeg import sanitise_jpeg
from tintype.imaging.sanitise_png import sanitise_png
from tintype.imaging.sanitise_webp import sanitise_webp
from tintype.imaging.sniff import SNIFF_BYTES, sniff

Source: TypeAlias = bytes | mmap.mmap | memoryview

SANITISER_VERSION = 2
"""Raised with every change of what is kept, so that stored files can be told from those made by another rule."""
CHUNK_BYTES = 1024 * 1024
"""A piece at a time for hashing and writing: large enough for the disk, small enough for memory."""

_SANITISERS: dict[Format, Callable[[memoryview, Limits], Examined]] = {
    Format.JPEG: sanitise_jpeg,
    Format.PNG: sanitise_png,
    Format.GIF: sanitise_gif,
    Format.WEBP: sanitise_webp,
}


def examine(source: Source, limits: Limits) -> Examined:
    """Return what the file shows and which of its bytes are stored. `source` is not copied, nor held afterwards.

    `limits.max_bytes` is for the door to enforce while it reads. Raises `Problem`: `upload.empty`,
    `image.unsupported_format`, `image.malformed`, `image.too_many_pixels`, `image.too_many_frames`.
    """
    with memoryview(source) as view:
        if not view:
            raise refusal.empty()
        found = sniff(bytes(view[:SNIFF_BYTES]))
        if found is None or found not in limits.formats:
            raise refusal.unsupported(found, limits.formats)
        return _SANITISERS[found](view, limits)


def stored_chunks(source: Source, examined: Examined) -> Iterator[memoryview | bytes]:
    """Yield the bytes to store, in order, at most `CHUNK_BYTES` at a time.

    They are views of `source`: let go of each before a mapped file is closed.
    """
    with memoryview(source) as view:
        for piece in examined.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            for start in range(piece.start, piece.stop, CHUNK_BYTES):
                yield view[start : min(start + CHUNK_BYTES, piece.stop)]
