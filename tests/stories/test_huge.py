"""The largest photographs and panoramas that are taken, in bounded memory; `bench/memory.py` measures every format."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import pyvips
from PIL import Image

from killing import pids
from postgres import passable_directory
from product import Product, start_product

MOST_DECODER_BYTES: Final = 600_000_000
MOST_API_GROWTH_BYTES: Final = 40_000_000
"""Half of what the two largest files of this test have, and a fourth of the pixels of one."""

LOOK_SECONDS: Final = 0.01


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    environment = {"TINTYPE_RENDER__RECYCLE_AFTER": "1"}  # each decoder's peak is that of one file
    arguments = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
    with (
        passable_directory() as directory,
        start_product(directory / "data", *arguments, environment=environment) as run,
    ):
        yield run


def photograph(width: int, height: int, *, progressive: bool) -> bytes:
    """Return a JPEG of some megabytes: a slow gradient with a little noise, as a sky has."""
    ramp = pyvips.Image.xyz(width, height)[0] / (width / 240)
    noisy = (ramp + pyvips.Image.gaussnoise(width, height, sigma=3, mean=5)).cast("uchar")
    picture = noisy.bandjoin([noisy, noisy]).copy(interpretation="srgb")
    return bytes(picture.jpegsave_buffer(Q=60, interlace=progressive))


def status_bytes(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def watched(product: Product) -> Iterator[dict[str, int]]:
    """Give the peaks that decoders and API process have during the block, in bytes."""
    (api,) = pids(product, "api process")
    peaks, over = {"decoder": 0, "api": 0}, threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            decoders = [status_bytes(pid, "VmHWM") for pid in pids(product, "renderer")]
            peaks["decoder"] = max(peaks["decoder"], *decoders, 0)
            peaks["api"] = max(peaks["api"], status_bytes(api, "RssAnon"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def size_of(product: Product, image: dict[str, Any], name: str) -> tuple[int, int]:
    answer = product.stranger.get(f"/i/{image['id']}/{name}")
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()
        return picture.size


@pytest.mark.parametrize(
    ("width", "height", "coding", "large"),
    [
        (8660, 5773, "progressive", (2048, 1365)),
        (12_000, 4160, "baseline", (2048, 710)),
    ],
    ids=["photograph", "panorama"],
)
def test_fifty_megapixels_are_taken_in_made_smaller_and_served_in_bounded_memory(
    product: Product, width: int, height: int, coding: str, large: tuple[int, int]
) -> None:
    data = photograph(width, height, progressive=coding == "progressive")
    assert 500_000 < len(data) < 10_000_000
    (api,) = pids(product, "api process")
    before = status_bytes(api, "RssAnon")
    with watched(product) as peaks:
        image = product.settled(product.upload(data))
        assert (image["state"], image["width"], image["height"]) == ("ready", width, height)
        assert size_of(product, image, "thumb.jpg") == (150, 150)
        assert size_of(product, image, "large.webp") == large
    assert 0 < peaks["decoder"] < MOST_DECODER_BYTES
    assert peaks["api"] - before < MOST_API_GROWTH_BYTES
    assert product.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
