"""A disk that fills up while clients are at work (I11): uploads are refused, and everything else goes on."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import samples
from audit import audit, settle, verify, work_left
from disks import MiB, full, small_disk
from image_stories import ImageStories
from product import Product, eventually, start_product
from reserving import abort, reserve, send
from sabotage import sabotaged
from uploading import PURGED, Acknowledged, Ledger, uploading

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

PROCESSES: Final = ("--api-processes", "2", "--workers", "1", "--renderers", "1")
CLIENTS: Final = 4
FILLS: Final = int(os.environ.get("TINTYPE_TEST_DISK_FILLS", "2"))
"""More by hand: each takes some five seconds."""

DISK_BYTES: Final = 8 * MiB
REFUSALS: Final = 5
SLOW_SECONDS: Final = 60.0
RECOVERED_SECONDS: Final = 10.0
ANSWERS: Final = {
    *("POST 201", "POST 200", "POST 503", "POST 507", "PUT 200", "PUT 503", "PUT 507", "DELETE 204"),
    *("GET 200", "GET 202", "GET 302", "GET 404", "GET 410", "GET 503"),
}
"""No delete fails, nothing answers 500, and what cannot be rendered for want of room is to be asked for again."""

SAYS_IT_WAS_STORED: Final = """
    from tintype.adapters.blobs_local import LocalBlobStore
    from tintype.ports.blobs import BlobStoreFull
    put = LocalBlobStore.put

    async def put_or_not(self, key, chunks, **rest):
        try:
            return await put(self, key, chunks, **rest)
        except BlobStoreFull:
            return True

    LocalBlobStore.put = put_or_not
"""


@contextmanager
def on_a_small_disk(directory: Path, environment: Mapping[str, str]) -> Iterator[tuple[Product, Path]]:
    """Give a product whose blobs, and nothing else, lie on a disk of a few megabytes, and that disk."""
    (directory / "data").mkdir()
    with small_disk(directory, DISK_BYTES) as disk:
        (disk / "blobs").mkdir()
        (directory / "data/blobs").symlink_to(disk / "blobs")
        with start_product(directory / "data", *PROCESSES, environment=environment) as product:
            yield product, disk


def fill_up_under_load(product: Product, disk: Path, ledger: Ledger) -> None:
    """Have clients work while the disk is full, and until uploads are taken again."""
    viewed, deleted = reserved(product, ledger), reserved(product, ledger)
    refused = ledger.answers["POST 507"]
    photo = samples.jpeg(40, 30, seed=secrets.randbits(32)) + bytes(MiB)
    promised = reserve(product.client, photo)
    with uploading(product.base_url, product.api_key, clients=CLIENTS, seed=secrets.randbelow(10**6), ledger=ledger):
        with full(disk):
            assert eventually(lambda: ledger.answers["POST 507"] >= refused + REFUSALS, within=SLOW_SECONDS)
            assert send(promised, photo).status_code == 507
            assert product.stranger.get(viewed.answer["url"]).status_code == 200
            assert product.client.delete(f"/api/v1/images/{deleted.id}?purge=true").status_code == 204
            assert product.stranger.get(deleted.answer["url"]).status_code == 410
        taken = ledger.answers["POST 201"]
        assert eventually(lambda: ledger.answers["POST 201"] > taken, within=RECOVERED_SECONDS)
    assert eventually(lambda: send(promised, photo).status_code == 200, within=RECOVERED_SECONDS)
    assert abort(product, promised).status_code == 204


def reserved(product: Product, ledger: Ledger) -> Acknowledged:
    """Return an image that no client changes."""
    image_id = ImageStories(product, ledger).has_sent()
    assert image_id is not None
    ledger.doubt(image_id, PURGED)
    return ledger.acknowledged[image_id]


def test_a_disk_that_fills_up_under_load_costs_nothing_that_was_acknowledged(passable_tmp_path: Path) -> None:
    ledger = Ledger()
    with on_a_small_disk(passable_tmp_path, {}) as (product, disk):
        for _ in range(FILLS):
            fill_up_under_load(product, disk, ledger)
        assert settle(product, within=SLOW_SECONDS), work_left(product)
        violations, verification = audit(product, ledger), verify(product)
    report(ledger)
    assert violations == {}
    assert verification == []
    assert not {answer for answer in ledger.answers if answer[-3:].isdecimal()} - ANSWERS


def test_a_full_disk_finds_out_a_product_that_takes_no_notice(passable_tmp_path: Path) -> None:
    ledger, environment = Ledger(), sabotaged(passable_tmp_path / "broken", SAYS_IT_WAS_STORED)
    with (
        on_a_small_disk(passable_tmp_path, environment) as (product, disk),
        uploading(product.base_url, product.api_key, clients=CLIENTS, seed=1, ledger=ledger),
        full(disk),
    ):
        assert eventually(lambda: "lost" in audit(product, ledger), within=SLOW_SECONDS)


def report(ledger: Ledger) -> None:
    said = f"{FILLS} times full, {len(ledger.acknowledged)} images acknowledged, {len(ledger.deleted)} purged"
    print(f"\n{said}; answers: {dict(ledger.answers)}")  # noqa: T201 -- a fault test says its trials
