"""PNG files taken apart into chunks and put together again."""

from samples import png_chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"

Chunk = tuple[bytes, bytes]


def chunks_of(source: bytes) -> list[Chunk]:
    """Return type and body of every chunk."""
    chunks, at = [], 8
    while at < len(source):
        length = int.from_bytes(source[at : at + 4], "big")
        chunks.append((source[at + 4 : at + 8], source[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_of(chunks: list[Chunk]) -> bytes:
    """Return a PNG of these chunks, with their checksums."""
    return SIGNATURE + b"".join(png_chunk(kind, body) for kind, body in chunks)


def kinds_of(source: bytes) -> list[bytes]:
    """Return the type of every chunk, in order."""
    return [kind for kind, _ in chunks_of(source)]


def with_chunks(source: bytes, *chunks: Chunk) -> bytes:
    """Return the PNG with chunks behind IHDR."""
    before, *rest = chunks_of(source)
    return png_of([before, *chunks, *rest])


def with_late(source: bytes, *chunks: Chunk) -> bytes:
    """Return the PNG with chunks before IEND."""
    *before, end = chunks_of(source)
    return png_of([*before, *chunks, end])
