"""`gc`: whatever crashes, bugs and lost power leave between rows and files is found, and only that is removed."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import samples
from command_line import tintype
from postgres import passable_directory
from product import Product, eventually, start_product
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.domain.format import Format
from tintype.domain.garbage import Garbage
from tintype.domain.ids import ImageRef, blob_bucket, image_name
from tintype.domain.keys import original_key, variant_key
from tintype.upkeep import Upkeep
from upkeep import UNSCHEDULED, collect, key_of, stored, with_upkeep

DAY = timedelta(days=1)
PROCESSING_LEFT = "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", environment=UNSCHEDULED) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean_afterwards(product: Product) -> Iterator[None]:
    yield
    collect(product)


def settled(product: Product, seed: int) -> dict[str, Any]:
    image = product.settled(product.upload(samples.jpeg(640, 480, seed=seed)))
    assert eventually(lambda: product.query(PROCESSING_LEFT) == [])
    return image


def tenant(product: Product) -> int:
    ((found,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    return int(found)


def number(image: dict[str, Any]) -> int:
    return ImageRef.parse(image["id"]).id


def age(*paths: Path) -> None:
    long_ago = time.time() - 3 * DAY.total_seconds()
    for path in paths:
        os.utime(path, (long_ago, long_ago))


def plant(product: Product, key: str, content: bytes = b"left behind") -> Path:
    path = product.data / "blobs" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def is_served(product: Product, image: dict[str, Any]) -> bool:
    return product.client.get(image["url"]).status_code == 200


def test_a_product_in_which_nothing_went_wrong_has_no_garbage(product: Product) -> None:
    image, purged = settled(product, 1), settled(product, 2)
    product.client.delete(f"/api/v1/images/{purged['id']}", params={"purge": "true"})
    assert eventually(lambda: product.query(PROCESSING_LEFT) == [])
    before = product.files("blobs")
    assert collect(product) == set()
    assert product.files("blobs") == before
    assert is_served(product, image)


def test_bytes_that_no_row_knows_go_once_they_are_older_than_the_grace_period(product: Product) -> None:
    old = plant(product, original_key(tenant(product), os.urandom(32)))
    young = plant(product, original_key(tenant(product), os.urandom(32)))
    age(old)
    assert collect(product, grace=DAY) == {(Garbage.FILE, key_of(product, old))}
    assert not old.exists()
    assert young.exists()
    assert product.query("SELECT count(*) FROM blobs WHERE size = 0") == [(0,)]


def test_a_blob_that_no_image_uses_goes_with_its_variants_once_it_is_old(product: Product) -> None:
    image = settled(product, 3)
    product.query("DELETE FROM blob_refs WHERE image = %s", number(image))
    product.query("DELETE FROM images WHERE id = %s", number(image))
    assert {sort for sort, _ in collect(product, grace=DAY)} == {Garbage.USAGE}  # it was counted
    assert collect(product, grace=DAY) == set()
    product.query("UPDATE blobs SET created_at = now() - interval '3 days' WHERE sha256 = %s", digest(image))
    (original,) = stored(product, image["sha256"], "original")
    assert collect(product, grace=DAY) == {(Garbage.BLOB, key_of(product, original))}
    assert stored(product, image["sha256"]) == []
    assert product.query("SELECT 1 FROM variants WHERE sha256 = %s", digest(image)) == []
    assert product.query("SELECT 1 FROM blobs WHERE sha256 = %s", digest(image)) == []


def digest(image: dict[str, Any]) -> bytes:
    return bytes.fromhex(image["sha256"])


def refer(product: Product, sha256: bytes, image: int, version: int) -> None:
    product.query(
        "INSERT INTO blob_refs (bucket, tenant, sha256, image, version) VALUES (%s, %s, %s, %s, %s)",
        blob_bucket(sha256), tenant(product), sha256, image, version,
    )  # fmt: skip


def test_references_to_nothing_to_a_purged_image_and_to_old_bytes_go_and_the_others_stay(product: Product) -> None:
    image, purged = settled(product, 4), settled(product, 5)
    product.client.delete(f"/api/v1/images/{purged['id']}", params={"purge": "true"})
    assert eventually(lambda: product.query(PROCESSING_LEFT) == [])
    other = os.urandom(32)
    for holder, sha256, version in (
        (12345 << 22, digest(image), 1),
        (number(purged), digest(image), 1),
        (number(image), other, 1),
        (number(image), digest(image), 7),
    ):
        refer(product, sha256, holder, version)
    found = {sort for sort, _ in collect(product)}
    assert found == {Garbage.STALE_REFERENCE}
    assert product.query("SELECT image, version FROM blob_refs WHERE sha256 = %s", digest(image)) == [
        (number(image), 1)
    ]
    assert product.query("SELECT 1 FROM blob_refs WHERE sha256 = %s", other) == []
    assert is_served(product, image)


def test_an_image_whose_reference_was_lost_gets_it_back_before_its_bytes_are_taken_for_nobodys(
    product: Product,
) -> None:
    image = settled(product, 6)
    product.query("DELETE FROM blob_refs WHERE image = %s", number(image))
    product.query("UPDATE blobs SET created_at = now() - interval '3 days'")
    assert collect(product) == {(Garbage.MISSING_REFERENCE, image_name(number(image)))}
    assert is_served(product, image)
    assert product.query("SELECT version FROM blob_refs WHERE image = %s", number(image)) == [(1,)]


def test_a_variant_whose_file_is_gone_is_forgotten_and_made_again_when_asked_for(product: Product) -> None:
    image = settled(product, 7)
    lost, _ = stored(product, image["sha256"], "thumb")
    key = key_of(product, lost)
    lost.unlink()
    assert collect(product) == {(Garbage.VARIANT_ROW, key)}
    for url in image["thumbnails"].values():
        assert product.stranger.get(url, headers={"accept": "image/webp"}).status_code == 200
        assert product.stranger.get(url, headers={"accept": "image/jpeg"}).status_code == 200
    assert lost.exists()


def test_variants_that_no_row_knows_go_even_of_a_preset_that_is_no_longer_configured(product: Product) -> None:
    image = settled(product, 8)
    recorded = set(stored(product, image["sha256"]))
    gone = os.urandom(32)
    unknown = [
        plant(product, variant_key(tenant=tenant(product), preset=preset, sha256=sha256, digest="0" * 32,
                                   file_sha256=b"\0" * 32, fmt=Format.WEBP))
        for preset in ("thumb", "retired")
        for sha256 in (digest(image), gone)
    ]  # fmt: skip
    assert collect(product, grace=DAY) == set()
    age(*unknown)
    assert collect(product, grace=DAY) == {(Garbage.VARIANT_FILE, key_of(product, path)) for path in unknown}
    assert set(stored(product, image["sha256"])) == recorded


def test_a_variant_of_a_preset_that_is_no_longer_configured_stays_as_long_as_its_row(product: Product) -> None:
    image = settled(product, 9)
    path, *_ = stored(product, image["sha256"], "thumb")
    renamed = Path(str(path).replace("/thumb/", "/retired/"))
    renamed.parent.mkdir(parents=True)
    path.rename(renamed)
    product.query(
        "UPDATE variants SET preset = 'retired' WHERE sha256 = %s AND digest = %s", digest(image), path.name[65:97]
    )
    age(renamed)
    assert collect(product) == set()
    assert renamed.exists()
    renamed.unlink()
    assert collect(product) == {(Garbage.VARIANT_ROW, key_of(product, renamed))}


def test_what_is_not_ours_is_named_and_left_alone(product: Product) -> None:
    foreign = [
        plant(product, "photos-of-grandma/1.jpg"),
        plant(product, original_key(0x7777, os.urandom(32))),
        plant(product, f"{tenant(product):x}/original/aa/bb/{'c' * 64}"),
    ]
    age(*foreign)
    assert collect(product) == {(Garbage.FOREIGN, key_of(product, path)) for path in foreign}
    assert all(path.exists() for path in foreign)
    for path in foreign:
        path.unlink()


def test_an_image_whose_bytes_are_lost_is_named_and_its_rows_stay(product: Product) -> None:
    image = settled(product, 10)
    (original,) = stored(product, image["sha256"], "original")
    content = original.read_bytes()
    original.unlink()
    assert collect(product) == {(Garbage.LOST_ORIGINAL, key_of(product, original))}
    original.write_bytes(content)
    assert is_served(product, image)


def test_what_was_left_half_written_goes_once_it_is_old(product: Product) -> None:
    half = [product.data / "blobs" / ".tmp" / "0123", product.data / "staging" / "tmpabc"]
    for path in half:
        path.write_bytes(b"half")
    assert collect(product, grace=DAY) == set()
    age(*half)
    assert collect(product, grace=DAY) == {(Garbage.LEFTOVER, ".tmp/0123"), (Garbage.LEFTOVER, "tmpabc")}
    assert not any(path.exists() for path in half)


def test_a_dry_run_names_the_same_and_changes_nothing(product: Product) -> None:
    image = settled(product, 11)
    (lost,) = stored(product, image["sha256"], "thumb")[:1]
    lost_key = key_of(product, lost)
    lost.unlink()
    unknown = plant(product, original_key(tenant(product), os.urandom(32)))
    half = product.data / "staging" / "tmpdry"
    half.write_bytes(b"half")
    assert Garbage.LEFTOVER not in {sort for sort, _ in collect(product, dry_run=True)}  # somebody may be writing it
    age(half)
    refer(product, os.urandom(32), number(image), 1)
    before, rows = product.files("blobs", "staging"), counted(product)
    found = collect(product, dry_run=True)
    assert {sort for sort, _ in found} == {
        Garbage.VARIANT_ROW, Garbage.FILE, Garbage.LEFTOVER, Garbage.STALE_REFERENCE,
    }  # fmt: skip
    assert {(Garbage.VARIANT_ROW, lost_key), (Garbage.FILE, key_of(product, unknown))} < found
    assert (product.files("blobs", "staging"), counted(product)) == (before, rows)
    assert collect(product) == found


def counted(product: Product) -> list[tuple[Any, ...]]:
    return product.query(
        "SELECT (SELECT count(*) FROM blobs), (SELECT count(*) FROM blob_refs), (SELECT count(*) FROM variants)"
    )


# An upload of the same bytes


def upload_while_gc_deletes(product: Product, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, int]:
    """Hold `gc` at the very moment of a deletion and upload the bytes of `path`, which no row knows.

    Return whether the upload was answered while the deletion was held, and with what status in the end.
    """
    about_to_delete, go_on = threading.Event(), threading.Event()
    delete = LocalBlobStore.delete

    async def held(self: LocalBlobStore, key: str) -> bool:
        if key == key_of(product, path):
            about_to_delete.set()
            go_on.wait(5)
        return await delete(self, key)

    monkeypatch.setattr(LocalBlobStore, "delete", held)
    content, statuses = path.read_bytes(), list[int]()

    def upload() -> None:
        statuses.append(product.client.post("/api/v1/images", content=content).status_code)

    collecting = threading.Thread(target=collect, args=[product])
    uploading = threading.Thread(target=upload)
    collecting.start()
    assert about_to_delete.wait(10)
    uploading.start()
    uploading.join(0.8)  # less than the 1.8 s after which a request that waits for a lock is told to come again
    answered = bool(statuses)
    go_on.set()
    for thread in (collecting, uploading):
        thread.join(20)
    monkeypatch.setattr(LocalBlobStore, "delete", delete)
    return answered, statuses[0]


def without_rows(product: Product, seed: int) -> Path:
    """Return the file of an image whose rows were all lost."""
    image = settled(product, seed)
    for table in ("blob_refs", "blobs", "variants"):
        product.query(f"DELETE FROM {table} WHERE sha256 = %s", digest(image))  # noqa: S608 -- a name of ours
    product.query("DELETE FROM images WHERE id = %s", number(image))
    (original,) = stored(product, image["sha256"], "original")
    return original


def test_an_upload_of_bytes_that_are_being_removed_waits_and_stores_them_again(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = without_rows(product, 20)
    answered, status = upload_while_gc_deletes(product, path, monkeypatch)
    assert (answered, status) == (False, 201)
    assert path.exists()


def test_without_the_claim_to_the_row_the_same_upload_would_be_lost(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_nothing(*_: object, **__: object) -> bool:
        return True

    path = without_rows(product, 21)
    monkeypatch.setattr("tintype.storage.removal.claim_absent_blob", claim_nothing)
    answered, status = upload_while_gc_deletes(product, path, monkeypatch)
    assert (answered, status) == (True, 201)
    assert not path.exists()
    product.query("DELETE FROM images WHERE sha256 = %s", bytes.fromhex(path.name))


def test_gc_and_uploads_of_the_same_bytes_at_full_speed_lose_nothing(product: Product) -> None:
    content, stop, lost = samples.jpeg(320, 240, seed=22), threading.Event(), list[str]()
    rounds = 0

    def churn() -> None:
        nonlocal rounds
        while not stop.is_set():
            image = product.upload(content)
            if product.client.get(image["url"]).status_code != 200:
                lost.append(image["id"])
            product.client.delete(f"/api/v1/images/{image['id']}", params={"purge": "true"})
            rounds += 1

    churning = threading.Thread(target=churn)
    churning.start()
    try:

        async def story(upkeep: Upkeep) -> None:
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                await upkeep.collect_garbage(grace=timedelta(0))

        with_upkeep(product, story)
    finally:
        stop.set()
        churning.join(20)
    assert lost == []
    assert rounds > 5


# The command


def test_the_command_says_what_it_did_and_works_beside_a_running_product_and_without_one() -> None:
    with passable_directory() as directory:
        with start_product(directory / "data", environment=UNSCHEDULED) as product:
            image = settled(product, 30)
            unknown = plant(product, original_key(tenant(product), os.urandom(32)))
            running = tintype("gc", "--data", str(product.data), "--grace", "0")
            assert (running.returncode, running.stderr) == (0, "")
            assert f"mended: file_without_row {key_of(product, unknown)}" in running.stdout
            assert "found.file_without_row: 1" in running.stdout
            ((report, outcome),) = product.query("SELECT report, outcome FROM periodic_tasks WHERE name = 'gc'")
            assert (report["found"]["file_without_row"], outcome) == (1, "done")
            unknown.write_bytes(b"again")
        stopped = tintype("gc", "--data", str(directory / "data"), "--grace", "0")
        assert stopped.returncode == 0, stopped.stderr
        assert "found.file_without_row: 1" in stopped.stdout
        assert not unknown.exists()
        with start_product(directory / "data", environment=UNSCHEDULED, key=product.api_key) as product:
            assert is_served(product, {"url": f"/i/{image['id']}/original.jpg"})


def test_the_command_refuses_a_directory_without_a_database(tmp_path: Path) -> None:
    refused = tintype("gc", "--data", str(tmp_path / "nothing"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no database" in refused.stderr
