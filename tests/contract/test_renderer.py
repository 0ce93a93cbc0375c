"""What every renderer does: `ports/renderer.py` as code.

A new renderer adds a function to `RENDERERS`; nothing else.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pyvips

import samples
from renders import asked, distance, opened, rendered, rendered_by, stored
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Fit, Output, Transform
from tintype.ports.renderer import CannotDecode, Renderer, RendererFailed, SourceDamaged

pytestmark = pytest.mark.anyio

RENDERERS: dict[str, Callable[[], Renderer]] = {"pool": lambda: RenderPool(RenderPoolConfig(processes=2))}
EAGER = [Output(Transform(size, size), fmt) for size in (150, 300, 600) for fmt in (Format.JPEG, Format.WEBP)]
P3 = bytes(pyvips.Image.profile_load("p3"))

KINDS: dict[str, tuple[Callable[..., bytes], dict[str, Any], Format]] = {
    "JPEG": (samples.jpeg, {}, Format.JPEG),
    "progressive JPEG": (samples.jpeg, {"progressive": True}, Format.JPEG),
    "JPEG on its side": (samples.jpeg, {"orientation": 6}, Format.JPEG),
    "grey JPEG": (samples.jpeg, {"mode": "L"}, Format.JPEG),
    "CMYK JPEG": (samples.jpeg, {"mode": "CMYK"}, Format.JPEG),
    "JPEG in Display P3": (samples.jpeg, {"icc": P3}, Format.JPEG),
    "PNG": (samples.png, {}, Format.PNG),
    "transparent PNG": (samples.png, {"mode": "RGBA"}, Format.PNG),
    "PNG of a palette": (samples.png, {"mode": "P"}, Format.PNG),
    "interlaced PNG of 16 bits": (samples.png, {"bits": 16, "interlaced": True}, Format.PNG),
    "APNG": (samples.apng, {}, Format.PNG),
    "GIF": (samples.gif, {}, Format.GIF),
    "animated GIF": (samples.gif, {"frames": 4, "disposal": 2, "transparent": True}, Format.GIF),
    "WebP": (samples.webp, {}, Format.WEBP),
    "lossless WebP": (samples.webp, {"lossless": True, "mode": "RGBA"}, Format.WEBP),
    "animated WebP": (samples.webp, {"frames": 4, "mode": "RGBA"}, Format.WEBP),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=RENDERERS)
async def renderer(request: pytest.FixtureRequest) -> AsyncIterator[Renderer]:
    renderer = RENDERERS[request.param]()
    yield renderer
    await renderer.close()


async def test_outputs_come_in_the_order_asked_for_each_of_its_size_and_format(renderer: Renderer) -> None:
    result = await rendered_by(renderer, samples.jpeg(1200, 900), *EAGER)
    assert [made.output for made in result.variants] == EAGER
    for made in result.variants:
        picture = opened(made.data)
        assert picture.size == (made.width, made.height) == (made.output.transform.width,) * 2
        assert picture.format == made.output.format.upper()
    assert result.description is None
    assert result.decode_seconds > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_file_looks_as_the_pipeline_makes_it(renderer: Renderer, kind: str) -> None:
    build, options, fmt = KINDS[kind]
    data = build(203, 151, **options)
    outputs = [Output(Transform(90, 90, fit), to) for to in Format for fit in (Fit.COVER, Fit.INSIDE)]
    result = await rendered_by(renderer, data, *outputs, fmt=fmt, describe=True)
    expected = rendered(data, *outputs, fmt=fmt, describe=True)
    assert result.variants == expected.variants
    assert result.description == expected.description


async def test_the_same_request_gives_the_same_bytes(renderer: Renderer) -> None:
    data = samples.jpeg(1200, 900)
    one, other = [await rendered_by(renderer, data, *EAGER, describe=True) for _ in range(2)]
    assert one.variants == other.variants
    assert one.description == other.description


async def test_a_description_comes_when_it_is_asked_for(renderer: Renderer) -> None:
    result = await rendered_by(renderer, samples.jpeg(), describe=True)
    assert result.description
    assert result.description.dominant_color.startswith("#")


async def test_a_damaged_file_cannot_be_decoded_and_the_next_one_can(renderer: Renderer) -> None:
    data = samples.jpeg(quality=95)
    with pytest.raises(CannotDecode):
        await rendered_by(renderer, data[: len(data) // 2])
    assert (await rendered_by(renderer, data)).variants


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(100_000)])
async def test_what_is_no_image_cannot_be_decoded(renderer: Renderer, data: bytes) -> None:
    with pytest.raises(CannotDecode):
        await rendered_by(renderer, data)


async def test_a_file_of_another_format_than_it_was_stored_as_cannot_be_decoded(renderer: Renderer) -> None:
    with pytest.raises(CannotDecode):
        await rendered_by(renderer, samples.png(), fmt=Format.JPEG)


async def test_bytes_that_are_not_the_ones_stored_are_damage_not_a_bad_upload(renderer: Renderer) -> None:
    data = samples.jpeg()
    rotten = bytearray(data)
    rotten[-20] ^= 1
    with stored(bytes(rotten)) as file, pytest.raises(SourceDamaged):
        await renderer.render(asked(data), file)
    with stored(data[:-1]) as file, pytest.raises(SourceDamaged):
        await renderer.render(asked(data), file)
    with stored(data) as file, pytest.raises(SourceDamaged):
        await renderer.render(replace(asked(data), sha256="0" * 64), file)


async def test_an_open_file_is_read_from_its_start_and_keeps_its_position(renderer: Renderer) -> None:
    data = samples.jpeg()
    with stored(data) as file:
        file.seek(777)
        assert (await renderer.render(asked(data), file)).variants
        assert file.tell() == 777
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 777


async def test_one_open_file_can_be_rendered_twice_at_the_same_time(renderer: Renderer) -> None:
    data = samples.png(1600, 1200)
    request = asked(data, *EAGER, fmt=Format.PNG)
    with stored(data) as file:
        results = await asyncio.gather(*(renderer.render(request, file) for _ in range(6)))
    assert all(result.variants == results[0].variants for result in results)


async def test_many_pictures_at_once_each_get_their_own_variants(renderer: Renderer) -> None:
    pictures = {seed: samples.picture(640, 480, seed=seed) for seed in range(12)}
    output = Output(Transform(640, 480, quality=95), Format.PNG)
    results = await asyncio.gather(
        *(rendered_by(renderer, samples.jpeg(image=picture, quality=95), output) for picture in pictures.values())
    )
    for picture, result in zip(pictures.values(), results, strict=True):
        assert distance(opened(result.variants[0].data), picture) < 3


async def test_a_caller_that_loses_interest_does_not_disturb_the_next(renderer: Renderer) -> None:
    data = samples.jpeg()
    costly = [Output(Transform(2000, 2000, quality=quality), Format.WEBP) for quality in range(60, 90)]
    for _ in range(4):
        task = asyncio.create_task(rendered_by(renderer, data, *costly))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        result = await rendered_by(renderer, data, Output(Transform(31, 17), Format.JPEG))
        assert (result.variants[0].width, result.variants[0].height) == (31, 17)


@pytest.mark.parametrize("name", RENDERERS)
async def test_a_closed_renderer_fails_and_can_be_closed_again(name: str) -> None:
    renderer = RENDERERS[name]()
    assert (await rendered_by(renderer, samples.jpeg())).variants
    await renderer.close()
    with pytest.raises(RendererFailed):
        await rendered_by(renderer, samples.jpeg())
    await renderer.close()
