"""An upload kind: what may be sent and what is made of it. Kinds are configuration, not code (design §6)."""

from dataclasses import dataclass
from enum import StrEnum

from tintype.domain.image import Format
from tintype.domain.transform import Output, Preset


class Visibility(StrEnum):
    """Who may see an image."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the header of a file may claim, checked before a pixel is touched."""

    max_bytes: int
    max_pixels: int
    """Width × height × frames: what a decoder would have to hold."""
    max_frames: int
    formats: frozenset[Format]


@dataclass(frozen=True, slots=True)
class UploadKind:
    """A use case: its limits, its presets (by name), the formats they are made in."""

    name: str
    limits: Limits
    presets: dict[str, Preset]
    outputs: tuple[Format, ...]
    visibility: Visibility = Visibility.PUBLIC
    attach: str | None = None

    @property
    def eager_presets(self) -> tuple[Preset, ...]:
        """The presets that the job makes."""
        return tuple(preset for preset in self.presets.values() if preset.eager)

    @property
    def eager_outputs(self) -> tuple[Output, ...]:
        """Every file that the job makes before the image is ready."""
        return tuple(Output(preset.transform, fmt) for preset in self.eager_presets for fmt in self.outputs)
