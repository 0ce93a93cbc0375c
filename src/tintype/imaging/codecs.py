"""Which libraries decode, and whether they are older than the holes that we know of.

The wheel `pyvips-binary` has libvips and every codec in one file, so the version of libvips stands for them all (8.18.7
brings libpng 1.6.58). Where libvips is the system's own, its codecs are shared libraries that tell their version
themselves. HEIF is not among the formats that are decoded (`libvips.LOADERS`), so libheif is not asked.
"""

import ctypes
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from tintype.imaging import libvips

Version = tuple[int, ...]

LEAST: Final[Mapping[str, Version]] = {
    "libvips": (8, 18, 7),  # CVE-2026-33327, -33328, -35590, -35591, and bounds that later releases mended
    "libwebp": (1, 3, 2),  # CVE-2023-4863
    "libpng": (1, 6, 52),  # CVE-2025-64720, -65018, -66293
}

_SHARED: Final = {
    "libwebp": ("libwebp.so", "WebPGetDecoderVersion"),
    "libpng": ("libpng16.so", "png_access_version_number"),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """A library that is loaded, and the least version that may decode."""

    name: str
    version: Version
    least: Version

    @property
    def outdated(self) -> bool:
        """Whether it has holes that are known."""
        return self.version < self.least

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


def loaded_codecs(least: Mapping[str, Version] = LEAST) -> tuple[Codec, ...]:
    """Return the libraries whose versions can be told, libvips first."""
    versions = {"libvips": tuple(map(int, libvips.version().split("."))), **_shared_versions()}
    return tuple(Codec(name, version, least[name]) for name, version in versions.items())


def bundle() -> str | None:
    """Return the version of the wheel that has everything in one file, or None where libvips is the system's."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("pyvips-binary")
    return None


def why_not(least: Mapping[str, Version] = LEAST) -> str | None:
    """Return why these libraries must not decode what strangers send, or None when they may."""
    old = [codec for codec in loaded_codecs(least) if codec.outdated]
    if not old:
        return None
    named = ", ".join(f"{codec} (at least {'.'.join(map(str, codec.least))})" for codec in old)
    return f"these libraries have holes that are known: {named}"


def _shared_versions() -> dict[str, Version]:
    with suppress(OSError):
        mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
        return dict(_told(name, path) for name in _SHARED for path in mapped if _SHARED[name][0] in path)
    return {}


def _told(name: str, path: str) -> tuple[str, Version]:
    number: int = getattr(ctypes.CDLL(path), _SHARED[name][1])()
    return name, _webp(number) if name == "libwebp" else _png(number)


def _webp(number: int) -> Version:
    """Eight bits each of major, minor and revision (webp/decode.h)."""
    return (number >> 16, number >> 8 & 0xFF, number & 0xFF)


def _png(number: int) -> Version:
    """Decimal: major × 10,000 + minor × 100 + release (png.h)."""
    return (number // 10_000, number // 100 % 100, number % 100)
