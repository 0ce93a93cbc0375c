"""What a variant is made by: a transform and an output format, and the digest that names the file.

The digest covers every parameter and the encoder's version, so that an edited preset or a better encoder is a new file
and never a changed one. Nothing here touches a pixel; `imaging` does.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from tintype.domain.image import Format

ENCODER_VERSION = 1
"""Raised whenever the same transform would give other bytes, so that caches and variants never mix the two."""

MAX_SIDE = 8192
"""Pixels; above it a variant costs more memory than a screen can show."""


class Fit(StrEnum):
    """How a picture meets its box."""

    COVER = "cover"
    """Fill the box and crop what is over."""
    INSIDE = "inside"
    """Fit within the box."""
    CONTAIN = "contain"
    """Fit within the box and pad the rest."""
    FILL = "fill"
    """Stretch to the box."""
    DOWN = "down"
    """As `inside`, but never enlarge."""


@dataclass(frozen=True, slots=True)
class Transform:
    """A box in pixels, how to fit it, and the quality (1–100) of lossy outputs."""

    width: int
    height: int
    fit: Fit = Fit.COVER
    quality: int = 80

    @property
    def canonical(self) -> str:
        """Every parameter in one fixed spelling, shared by the digest and the signed URLs to come."""
        return f"w_{self.width},h_{self.height},fit_{self.fit},q_{self.quality}"


@dataclass(frozen=True, slots=True)
class Output:
    """One file to make: a transform in a format."""

    transform: Transform
    format: Format

    @property
    def digest(self) -> str:
        """32 hexadecimal characters that name the variant's bytes together with the blob's SHA-256."""
        text = f"{ENCODER_VERSION};{self.transform.canonical};{self.format}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Preset:
    """A named transform of the configuration; an eager one is made by the job, the others on first request."""

    name: str
    transform: Transform
    eager: bool = True
