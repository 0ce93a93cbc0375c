"""Rendering in tests: in their own process, or asking a renderer; and looking at what came out."""

import asyncio
import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from PIL import Image, ImageChops, ImageStat

from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.imaging.pipeline import render
from tintype.ports.renderer import Rendered, Renderer, RenderRequest


@contextmanager
def stored(data: bytes) -> Iterator[BinaryIO]:
    """Give the bytes as an open file."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield cast("BinaryIO", file)


def rendered(data: bytes, *outputs: Output, fmt: Format = Format.JPEG, describe: bool = False) -> Rendered:
    """Return what the pipeline makes of a file, in this process."""
    with stored(data) as file:
        return render(RenderRequest("", fmt, outputs, describe), file.fileno())


def asked(data: bytes, *outputs: Output, fmt: Format = Format.JPEG, describe: bool = False) -> RenderRequest:
    """Return the request for those outputs of those bytes; a small JPEG when none is named."""
    wanted = outputs or (Output(Transform(60, 60), Format.JPEG),)
    return RenderRequest(hashlib.sha256(data).hexdigest(), fmt, wanted, describe)


async def rendered_by(
    renderer: Renderer, data: bytes, *outputs: Output, fmt: Format = Format.JPEG, describe: bool = False
) -> Rendered:
    """Return what a renderer makes of a file."""
    with stored(data) as file:
        return await renderer.render(asked(data, *outputs, fmt=fmt, describe=describe), file)


def rendering(renderer: Renderer, data: bytes, *outputs: Output, fmt: Format = Format.JPEG) -> asyncio.Task[Rendered]:
    """Return a task that asks the renderer."""
    return asyncio.create_task(rendered_by(renderer, data, *outputs, fmt=fmt))


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
