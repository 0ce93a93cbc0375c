"""One render on its way through the steps of the pipeline."""

from dataclasses import dataclass, field

import pyvips

from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging.geometry import Frame
from tintype.ports.renderer import Description, RenderedVariant


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before a pixel is decoded. Width and height are pixels as seen, after orientation."""

    format: Format
    width: int
    height: int
    orientation: int
    """1–8 as in EXIF; 5–8 swap the sides."""
    profile: bytes | None
    """The embedded ICC profile by which the decoded pixels are to be read; None for those that decoding converts."""

    @property
    def turned(self) -> bool:
        """Whether the stored raster lies on its side."""
        return self.orientation >= 5


@dataclass(slots=True)
class Rendering:
    """What one decode is for, the picture as the steps so far have made it, and what has come of it."""

    descriptor: int
    header: Header
    frame: Frame
    outputs: tuple[Output, ...]
    describe: bool
    picture: pyvips.Image = None
    """The whole picture (or the frame's part of it), in memory, small."""
    resized: dict[Transform, pyvips.Image] = field(default_factory=dict)
    variants: dict[Output, RenderedVariant] = field(default_factory=dict)
    description: Description | None = None
    decode_seconds: float = 0.0

    def release(self) -> None:
        """Let go of the pixels; what was made of them stays."""
        self.picture = None
        self.resized.clear()
