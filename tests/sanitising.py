"""What tests of the sanitiser share: limits, the stored bytes of a source, and what two decoders show."""

import io
from typing import Any

import pyvips
from PIL import Image

from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging.examine import examine, stored_chunks
from tintype.imaging.examined import Examined

LIMITS = Limits(max_bytes=10_000_000, max_pixels=50_000_000, max_frames=100, formats=frozenset(Format))
CANARY = b"CANARY-in-the-metadata"


def stored(source: bytes, limits: Limits = LIMITS) -> bytes:
    """Return the file that is stored for `source`."""
    return written(source, examine(source, limits))


def written(source: bytes, examined: Examined) -> bytes:
    """Return the pieces of `examined`, put together."""
    return b"".join(bytes(chunk) for chunk in stored_chunks(source, examined))


def refusal_of(source: bytes, limits: Limits = LIMITS) -> Code | None:
    """Return the code with which `source` is refused, or None when it is accepted."""
    try:
        examine(source, limits)
    except Problem as problem:
        return problem.code
    return None


def shown(data: bytes) -> tuple[object, ...]:
    """Return all that Pillow and libvips show: every frame's pixels, timing and looping, and the colour profile."""
    return (_shown_by_pillow(data), _shown_by_vips(data))


def _shown_by_pillow(data: bytes) -> list[object]:
    with Image.open(io.BytesIO(data)) as image:
        result: list[object] = [image.size, image.info.get("loop"), image.info.get("icc_profile")]
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
            result.append((image.mode, image.tobytes(), image.info.get("duration"), image.getpalette()))
        return result


def _shown_by_vips(data: bytes) -> tuple[object, ...]:
    options = "n=-1" if data[:3] == b"GIF" or data[8:12] == b"WEBP" else ""
    image: Any = pyvips.Image.new_from_buffer(data, options, fail_on="error")
    names = ("n-pages", "delay", "loop", "page-height", "icc-profile-data", "interpretation")
    fields = [image.get(name) if image.get_typeof(name) else None for name in names]
    return (image.width, image.height, image.bands, bytes(image.write_to_memory()), *fields)
