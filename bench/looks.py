"""How a served picture should look, by another decoder and resizer than the product's, and how far it is off."""

import io
import itertools
import math
from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps, ImageStat

MOST_FINE: Final = 9.0
"""Grey levels (of 255) per pixel and band, on average: see docs/performance.md for what real photographs have."""

MOST_COARSE: Final = 2.0
"""The same after both were reduced to 8 × 8: fine detail is gone, so that a cast or a wrong crop remains."""

COARSE_SIDE: Final = 8

NEVER_TURNED: Final = frozenset({"WEBP", "GIF"})
"""Browsers turn a JPEG and a PNG by their EXIF, and show a WebP as it is stored (tried: Chromium 156)."""

SHIFTS: Final = (0.0, -0.5, 0.5, -1.0, 1.0)
"""Pixels of the variant, or of the photograph where that is smaller. A centred crop that begins between two pixels has
to begin at one of them; that is forgiven."""


@dataclass(frozen=True)
class Box:
    """A preset of the contract: `crop` fills the box, otherwise the picture fits within and is never enlarged."""

    width: int
    height: int
    crop: bool


BOXES: Final = {
    "thumb": Box(150, 150, crop=True),
    "gallery": Box(300, 300, crop=True),
    "medium": Box(600, 600, crop=True),
    "large": Box(2048, 2048, crop=False),
}


@dataclass(frozen=True)
class Distance:
    """How far two pictures are apart: pixel by pixel, and in the large."""

    fine: float
    coarse: float

    @property
    def close(self) -> bool:
        """Whether both are within their bounds."""
        return self.fine <= MOST_FINE and self.coarse <= MOST_COARSE

    def __str__(self) -> str:
        return f"{self.fine:.1f}/{self.coarse:.2f}"


def as_seen(data: bytes) -> Image.Image:
    """Return the first frame as a browser shows it on white: turned by EXIF, in sRGB, without transparency."""
    image = Image.open(io.BytesIO(data))
    image.load()
    profile = image.info.get("icc_profile")
    upright = image if image.format in NEVER_TURNED else ImageOps.exif_transpose(image)
    if "A" in upright.getbands() or "transparency" in upright.info:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    return _in_srgb(upright, profile)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return image.convert("RGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("RGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    try:
        found = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent, outputMode="RGB")
    except ImageCms.PyCMSError:  # a profile for other pixels than these: decoders ignore it
        return image.convert("RGB")
    return found if found is not None else image.convert("RGB")


def reduced(seen: Image.Image, box: Box) -> Image.Image:
    """Return what the preset should make of a picture."""
    size = (box.width, box.height)
    if box.crop:
        return ImageOps.fit(seen, size, Image.Resampling.LANCZOS)
    scale = min(1.0, box.width / seen.width, box.height / seen.height)
    fitted = (max(1, round(seen.width * scale)), max(1, round(seen.height * scale)))
    return seen.resize(fitted, Image.Resampling.LANCZOS)


def enlargement(seen: Image.Image, box: Box) -> float:
    """Return how many pixels of the variant a pixel of the picture is wide; at least 1."""
    return max(1.0, box.width / seen.width, box.height / seen.height) if box.crop else 1.0


def distance(one: Image.Image, other: Image.Image, *, pixel: float = 1.0) -> Distance:
    """Return how far two RGB pictures of one size are apart, in the best of the positions that `SHIFTS` allows."""
    found = _distance(one, other)
    if found.close:
        return found
    border = math.ceil(pixel) + 1  # a shifted picture lacks it
    edge = (border, border, one.width - border, one.height - border)
    steps = {shift * unit for shift in SHIFTS for unit in (1.0, pixel)}
    shifts = itertools.product(steps, repeat=2)
    return min((_distance(one.crop(edge), _shifted(other, *shift).crop(edge)) for shift in shifts), key=_badness)


def _distance(one: Image.Image, other: Image.Image) -> Distance:
    side = (COARSE_SIDE, COARSE_SIDE)
    coarse = (one.resize(side, Image.Resampling.BOX), other.resize(side, Image.Resampling.BOX))
    return Distance(_mean_difference(one, other), _mean_difference(*coarse))


def _badness(found: Distance) -> float:
    return max(found.fine / MOST_FINE, found.coarse / MOST_COARSE)


def _shifted(picture: Image.Image, x: float, y: float) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, x, 0, 1, y), Image.Resampling.BICUBIC)


def _mean_difference(one: Image.Image, other: Image.Image) -> float:
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


def same_pixels(one: bytes, other: bytes) -> str | None:
    """Return None when two files show exactly the same, frame by frame, before any conversion; else what differs."""
    with Image.open(io.BytesIO(one)) as first, Image.open(io.BytesIO(other)) as second:
        count = getattr(first, "n_frames", 1)
        # A camera's second picture (MPO) is metadata: it is dropped with the rest.
        if first.format == second.format and count != getattr(second, "n_frames", 1):
            return "another number of frames"
        for frame in range(count if first.format == second.format else 1):
            first.seek(frame)
            second.seek(frame)
            if (first.mode, first.size) != (second.mode, second.size) or first.tobytes() != second.tobytes():
                return f"other pixels in frame {frame}"
            if first.getpalette() != second.getpalette():
                return f"another palette in frame {frame}"
            if any(first.info.get(name) != second.info.get(name) for name in ("icc_profile", "duration", "loop")):
                return f"another profile, duration or loop in frame {frame}"
        return None if _orientation(first) == _orientation(second) else "another orientation"


def _orientation(image: Image.Image) -> int:
    """Return 1 for what no browser turns."""
    turned = 1 if image.format in NEVER_TURNED else image.getexif().get(ExifTags.Base.Orientation, 1)
    return int(turned) if turned in range(1, 9) else 1
