"""libvips as Tintype runs it: four loaders, one thread, no cache.

libvips reads some forty formats and picks the loader by the bytes; a loader that nobody meant to offer is how a picture
came to read files (CVE-2026-66066, ImageTragick). Everything is blocked here, then the loaders that read a given
descriptor, and the savers that write to memory, are let in again.
"""

from typing import Final

import pyvips

from tintype.domain.format import Format

LOADERS: Final = {
    Format.JPEG: "jpegload_source",
    Format.PNG: "pngload_source",
    Format.WEBP: "webpload_source",
    Format.GIF: "gifload_source",
}
"""The one loader of each format, as libvips names it in the field `vips-loader` of what it opened."""

_ALLOWED: Final = (
    "VipsForeignLoadJpegSource",
    "VipsForeignLoadPngSource",
    "VipsForeignLoadWebpSource",
    "VipsForeignLoadNsgifSource",
    "VipsForeignSaveJpegBuffer",
    "VipsForeignSavePngBuffer",
    "VipsForeignSaveWebpBuffer",
    "VipsForeignSaveCgifBuffer",
)


def confine() -> None:
    """Block every loader and saver but ours, switch the operation cache off, use one thread: for the whole process."""
    pyvips.operation_block_set("VipsForeign", True)
    for operation in _ALLOWED:
        pyvips.operation_block_set(operation, False)
    # No picture comes twice, and what the cache held would be another person's.
    pyvips.cache_set_max(0)
    # A slot is a process: a second thread per picture would only take its time from the next slot.
    pyvips.concurrency_set(1)


def version() -> str:
    """Return the version of libvips that is loaded."""
    return ".".join(str(pyvips.version(part)) for part in range(3))
