"""ICC colour profiles: the colours of a picture depend on them, so they stay, but bounded."""

import zlib

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Above the largest press profiles in use (about 3 MB), below what would trouble a decoder that reads it at once."""
TOO_LARGE = f"its colour profile is larger than {MAX_PROFILE_BYTES // 1024 // 1024} MiB"
_HEADER_BYTES = 128


class ProfileTooLarge(Exception):
    """The profile has more than `MAX_PROFILE_BYTES`."""


def profile_in(data: bytes | memoryview) -> bytes | memoryview | None:
    """Return the profile at the beginning of `data`, as long as it says it is (ICC.1:2022, section 7.2), or None.

    What decoders would not take for a profile changes no colours and can be dropped, and so can what follows the
    profile. Raises `ProfileTooLarge`.
    """
    if len(data) > MAX_PROFILE_BYTES:
        raise ProfileTooLarge
    declared = int.from_bytes(data[:4], "big")
    if not _HEADER_BYTES <= declared <= len(data) or data[36:40] != b"acsp":
        return None
    return data[:declared]


def inflate(stream: bytes | memoryview) -> tuple[bytes, bool]:
    """Return what a zlib `stream` holds, none of it when it is broken, and whether something follows the stream.

    Raises `ProfileTooLarge`, having inflated no more than `MAX_PROFILE_BYTES`.
    """
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(stream, MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return b"", False
    if len(data) > MAX_PROFILE_BYTES:
        raise ProfileTooLarge
    return (data if inflater.eof else b""), bool(inflater.unused_data)
