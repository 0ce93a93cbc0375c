"""The same variant made by the job and on demand, whose pixels may differ: one stays, and everything agrees on it."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import samples
from product import Product, own_product


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


def test_what_is_served_agrees_with_what_is_recorded_however_often_a_variant_is_made(product: Product) -> None:
    def story(seed: int) -> None:
        image = product.upload(samples.jpeg(1600, 1200, seed=seed))
        url = f"/i/{image['id']}/thumb.jpg?v=1"
        first = product.stranger.get(url)
        product.settled(image)
        later = [product.stranger.get(url) for _ in range(3)]
        assert {answer.status_code for answer in (first, *later)} <= {200, 202}
        tags = {answer.headers["etag"]: hashlib.sha256(answer.content).hexdigest() for answer in later}
        assert all(tag == f'"{digest[:32]}"' for tag, digest in tags.items())
        assert len(tags) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(story, range(900, 924)))
    rows = product.query("SELECT encode(file_sha256, 'hex'), size FROM variants")
    files = [path for path in (product.data / "blobs").rglob("*-*") if path.is_file()]
    stored = sorted((hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) for path in files)
    assert stored == sorted(rows)
