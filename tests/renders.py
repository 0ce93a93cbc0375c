"""Rendering in the test's own process, and looking at what came out."""

import io
import tempfile

from PIL import Image, ImageChops, ImageStat

from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging.pipeline import render
from tintype.ports.renderer import Rendered, RenderRequest


def rendered(data: bytes, *outputs: Output, fmt: Format = Format.JPEG, describe: bool = False) -> Rendered:
    """Return what the pipeline makes of a file."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return render(RenderRequest("", fmt, outputs, describe), file.fileno())


def opened(data: bytes) -> Image.Image:
    """Return the picture that another decoder sees."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def variant(data: bytes, transform: Transform, to: Format = Format.PNG, *, fmt: Format = Format.JPEG) -> Image.Image:
    """Return the one variant of a file of format `fmt`, as another decoder sees it."""
    return opened(rendered(data, Output(transform, to), fmt=fmt).variants[0].data)


def distance(one: Image.Image, other: Image.Image) -> float:
    """Return how far apart two pictures of one size are, on average, in the band where they differ most: 0–255."""
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return max(ImageStat.Stat(difference).mean)
