"""What examination finds in a file, and which bytes of it are stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from tintype.domain.format import Format

Piece: TypeAlias = slice | bytes
"""A part of the stored file: a span of the source, or a short literal that replaces something in it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may be stored: what it shows, and the pieces to store, in order."""

    format: Format
    width: int
    """Pixels after orientation: as browsers and the renderer show it."""
    height: int
    frames: int
    pieces: tuple[Piece, ...]
    source_size: int
    """Bytes of the file as it was sent."""

    @property
    def clean(self) -> bool:
        """Whether the stored file is the source, unchanged."""
        return self.pieces == (slice(0, self.source_size),)


class Splice:
    """The stored file as it is put together, from front to back. Nothing is copied but the literals."""

    def __init__(self, source: memoryview) -> None:
        self._source = source
        self._pieces: list[Piece] = []

    @property
    def size(self) -> int:
        """Bytes collected so far."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.stop - piece.start for piece in self._pieces)

    def keep(self, start: int, stop: int) -> int:
        """Add the source's bytes from `start` up to `stop`, and return the place that they have, for `replace`."""
        self._pieces.append(slice(start, stop))
        return len(self._pieces) - 1

    def put(self, start: int, stop: int, replacement: bytes) -> None:
        """Add `replacement` for what stands between `start` and `stop`; where that is the same, the span is kept."""
        if stop - start == len(replacement) and self._source[start:stop] == replacement:
            self.keep(start, stop)
        else:
            self._pieces.append(replacement)

    def replace(self, place: int, replacement: bytes) -> None:
        """Put `replacement`, possibly nothing, in the place of a span that was added by `keep`."""
        self._pieces[place] = replacement

    def extend(self, pieces: Iterable[Piece]) -> None:
        """Add pieces that were collected elsewhere."""
        self._pieces.extend(pieces)

    def pieces(self) -> tuple[Piece, ...]:
        """Return what was collected; adjoining spans are one, and empty literals are left out."""
        joined: list[Piece] = []
        for piece in self._pieces:
            last = joined[-1] if joined else None
            if isinstance(piece, slice) and isinstance(last, slice) and last.stop == piece.start:
                joined[-1] = slice(last.start, piece.stop)
            elif piece != b"":
                joined.append(piece)
        return tuple(joined)
