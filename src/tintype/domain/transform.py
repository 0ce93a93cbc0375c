"""What a variant is made by: a transform and an output format, and the digest that names the file.

The digest covers every parameter and the encoder's version, so that an edited preset or a better encoder is a new file
and never a changed one. Nothing here touches a pixel; `imaging` does.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tintype.domain.format import Format

ENCODER_VERSION = 1
"""Raised whenever the same transform would give other bytes, so that caches and variants never mix the two."""

MAX_SIDE = 4096
"""Pixels. A decoder makes it of any accepted file within its 560 MiB; 8192 took up to 1.9 GB and a minute."""


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


class BadTransform(ValueError):
    """The text is not a transform in its canonical spelling."""


def parse_transform(text: str) -> Transform:
    """Return the transform that `canonical` spells; `BadTransform` for anything else."""
    try:
        parts = dict(part.split("_", 1) for part in text.split(","))
        transform = Transform(int(parts["w"]), int(parts["h"]), Fit(parts["fit"]), int(parts["q"]))
    except (KeyError, ValueError) as error:
        raise BadTransform(text) from error
    if transform.canonical != text:
        raise BadTransform(text)
    return transform


@dataclass(frozen=True, slots=True)
class Variant:
    """A file that a recipe calls for: the preset it stands for and the output that makes it."""

    preset: str
    output: Output


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is made of an image: presets by name, each in every output format.

    An image keeps the recipe it was made with, so that its URLs, cached for a year, go on meaning the same bytes when
    the configuration changes.
    """

    presets: tuple[Preset, ...]
    outputs: tuple[Format, ...]

    def preset(self, name: str) -> Preset | None:
        """Return the preset of that name, or None."""
        return next((preset for preset in self.presets if preset.name == name), None)

    @property
    def eager(self) -> tuple[Variant, ...]:
        """Every file that the job makes before the image is ready."""
        return tuple(
            Variant(preset.name, Output(preset.transform, fmt))
            for preset in self.presets
            if preset.eager
            for fmt in self.outputs
        )

    def as_json(self) -> dict[str, object]:
        """Return the recipe as plain JSON values; `recipe_from_json` is its inverse."""
        return {
            "outputs": [str(fmt) for fmt in self.outputs],
            "presets": [[preset.name, preset.transform.canonical, preset.eager] for preset in self.presets],
        }


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.as_json` wrote."""
    return Recipe(
        presets=tuple(Preset(name, parse_transform(transform), eager) for name, transform, eager in value["presets"]),
        outputs=tuple(Format(fmt) for fmt in value["outputs"]),
    )
