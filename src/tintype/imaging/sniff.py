"""Telling a format by its first bytes. A name or a declared media type is never asked."""

from tintype.domain.format import Format

SNIFF_BYTES = 12
"""Bytes that are enough for every format: WebP's RIFF header is the longest."""


def sniff(head: bytes) -> Format | None:
    """Return the format that a file beginning with `head` claims to be, or None; `SNIFF_BYTES` bytes decide."""
    if head.startswith(b"\xff\xd8\xff"):  # SOI and the first byte of another marker: ITU-T T.81, B.1.1.3
        return Format.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):  # PNG, third edition, section 5.2
        return Format.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):  # GIF89a, section 17
        return Format.GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":  # RFC 9649, section 2.4
        return Format.WEBP
    return None
