"""`verify`: each fault that it promises to count is planted, and exactly that is counted and named."""

import hashlib
import json
import os
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
from tintype.domain.format import Format
from tintype.domain.ids import ImageRef, blob_bucket, image_name
from tintype.domain.invariant import Invariant
from tintype.domain.keys import original_key, variant_key
from upkeep import UNSCHEDULED, collect, key_of, replay, stored, verified

JOBS_LEFT = "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", environment=UNSCHEDULED) as running:
        yield running


@pytest.fixture
def image(product: Product) -> Iterator[dict[str, Any]]:
    """Give an image of its own; nothing of it, and nothing that a test planted, is there for the next test."""
    shown = product.settled(product.upload(samples.jpeg(640, 480, seed=int.from_bytes(os.urandom(4), "big"))))
    assert eventually(lambda: product.query(JOBS_LEFT) == [])
    assert verified(product) == []
    yield shown
    purge(product, shown)
    collect(product)
    assert verified(product) == []


def purge(product: Product, shown: dict[str, Any]) -> None:
    product.client.delete(f"/api/v1/images/{shown['id']}", params={"purge": "true"})
    assert eventually(lambda: product.query(JOBS_LEFT) == [])


def number(image: dict[str, Any]) -> int:
    return ImageRef.parse(image["id"]).id


def name(image: dict[str, Any]) -> str:
    return image_name(number(image))


def digest(image: dict[str, Any]) -> bytes:
    return bytes.fromhex(image["sha256"])


def tenant(product: Product) -> int:
    ((found,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    return int(found)


def original(product: Product, image: dict[str, Any]) -> Path:
    (path,) = stored(product, image["sha256"], "original")
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def refer(product: Product, sha256: bytes, image: int, version: int) -> None:
    product.query(
        "INSERT INTO blob_refs (bucket, tenant, sha256, image, version) VALUES (%s, %s, %s, %s, %s)",
        blob_bucket(sha256), tenant(product), sha256, image, version,
    )  # fmt: skip


def plant(product: Product, key: str, content: bytes) -> Path:
    path = product.data / "blobs" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def journal(product: Product) -> set[str]:
    return {path for path in product.files("blobs") if "journal/purges/" in path}


def test_acknowledged_bytes_that_are_missing_are_counted_as_lost(product: Product, image: dict[str, Any]) -> None:
    path = original(product, image)
    content = path.read_bytes()
    path.unlink()
    assert verified(product) == [(Invariant.DURABLE, f"the bytes of {name(image)} are lost: {key_of(product, path)}")]
    product.client.delete(f"/api/v1/images/{image['id']}")  # the trash is no excuse
    assert [found for found, _ in verified(product)] == [Invariant.DURABLE]
    path.write_bytes(content)


def test_a_file_that_is_cut_off_is_counted_as_torn(product: Product, image: dict[str, Any]) -> None:
    path = original(product, image)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    key = key_of(product, path)
    assert verified(product, quick=True) == [
        (Invariant.ATOMIC, f"{key} has {len(content) - 1} bytes instead of {len(content)}")
    ]
    path.write_bytes(content)


def test_what_is_half_written_and_old_is_counted_as_torn(product: Product, image: dict[str, Any]) -> None:
    assert image
    for path in (product.data / "blobs" / ".tmp" / "half", product.data / "staging" / "half"):
        path.write_bytes(b"half")
        assert verified(product, grace=DAY) == []
        long_ago = time.time() - 2 * DAY.total_seconds()
        os.utime(path, (long_ago, long_ago))
        assert [found for found, _ in verified(product, grace=DAY)] == [Invariant.ATOMIC]
        path.unlink()


def test_a_file_that_no_row_knows_must_at_least_be_what_its_name_says(product: Product, image: dict[str, Any]) -> None:
    path = plant(product, original_key(tenant(product), digest(image)[::-1]), b"something else")
    assert verified(product, grace=DAY) == [
        (Invariant.ATOMIC, f"{key_of(product, path)}, which no row knows, is not what its name says")
    ]
    assert verified(product, grace=DAY, quick=True) == []


def test_an_image_without_a_reference_is_counted(product: Product, image: dict[str, Any]) -> None:
    product.query("DELETE FROM blob_refs WHERE image = %s", number(image))
    assert [found for found, _ in verified(product, grace=DAY)] == [Invariant.REFERENCES]
    assert {found for found, _ in verified(product)} == {Invariant.REFERENCES}


def test_an_image_without_a_blob_or_with_one_of_another_size_is_counted(
    product: Product, image: dict[str, Any]
) -> None:
    product.query("UPDATE images SET size = size + 1 WHERE id = %s", number(image))
    assert [found for found, _ in verified(product)] == [Invariant.REFERENCES, Invariant.IDEMPOTENT]
    product.query("UPDATE images SET size = size - 1 WHERE id = %s", number(image))
    product.query("DELETE FROM variants WHERE sha256 = %s", digest(image))
    product.query("DELETE FROM blobs WHERE sha256 = %s", digest(image))
    assert (Invariant.REFERENCES, f"{name(image)} has no blob: {image['sha256']}") in verified(product)


def test_a_ready_image_without_an_eager_variant_is_counted(product: Product, image: dict[str, Any]) -> None:
    path, *_ = stored(product, image["sha256"], "thumb")
    product.query("DELETE FROM variants WHERE digest = %s AND sha256 = %s", path.name[65:97], digest(image))
    assert verified(product, grace=DAY) == [
        (Invariant.REFERENCES, f"{name(image)} is ready without the variant {path.name[65:97]} of {image['sha256']}")
    ]


def test_a_recorded_variant_without_its_file_is_counted(product: Product, image: dict[str, Any]) -> None:
    path, *_ = stored(product, image["sha256"], "thumb")
    path.unlink()
    assert verified(product) == [(Invariant.REFERENCES, f"{key_of(product, path)} is recorded and not there")]


def test_references_to_nothing_and_bytes_of_nobody_are_counted(product: Product, image: dict[str, Any]) -> None:
    refer(product, digest(image), 4321 << 22, 1)
    assert [found for found, _ in verified(product)] == [Invariant.REFERENCES]
    product.query("DELETE FROM blob_refs WHERE image = %s", 4321 << 22)
    sha256 = os.urandom(32)
    product.query(
        """INSERT INTO blobs (bucket, tenant, sha256, size, format, created_at)
           VALUES (%s, %s, %s, 1, 'png', '2026-01-01')""",
        blob_bucket(sha256), tenant(product), sha256,
    )  # fmt: skip
    assert verified(product, grace=DAY) == [
        (Invariant.REFERENCES, f"nothing refers to {original_key(tenant(product), sha256)}")
    ]
    path = plant(product, original_key(tenant(product), b"\1" * 32), b"x")
    assert (Invariant.REFERENCES, f"no row knows {key_of(product, path)}") in verified(product)


def test_what_was_done_twice_is_counted(product: Product, image: dict[str, Any]) -> None:
    refer(product, digest(image), number(image), 9)
    assert verified(product) == [(Invariant.IDEMPOTENT, f"{name(image)} refers to {image['sha256']} in version 9, too")]
    product.query("DELETE FROM blob_refs WHERE image = %s AND version = 9", number(image))
    recorded, *_ = stored(product, image["sha256"], "thumb")
    content = b"another render"
    key = variant_key(
        tenant=tenant(product), preset="thumb", sha256=digest(image), digest=recorded.name[65:97],
        file_sha256=hashlib.sha256(content).digest(), fmt=Format.from_extension(recorded.suffix[1:]) or Format.JPEG,
    )  # fmt: skip
    plant(product, key, content)
    assert verified(product) == [(Invariant.IDEMPOTENT, f"{key} was stored beside the variant that is recorded")]


def test_a_purged_image_of_which_something_is_left_is_counted(product: Product, image: dict[str, Any]) -> None:
    content, path = original(product, image).read_bytes(), original(product, image)
    purge(product, image)
    refer(product, digest(image), number(image), 1)
    assert {found for found, _ in verified(product, grace=DAY)} == {Invariant.DELETED}
    product.query("DELETE FROM blob_refs WHERE image = %s", number(image))
    product.query("UPDATE images SET title = 'left over' WHERE id = %s", number(image))
    assert [found for found, _ in verified(product)] == [Invariant.DELETED]
    product.query("UPDATE images SET title = NULL WHERE id = %s", number(image))
    path.write_bytes(content)
    before_the_purge = time.time() - 60
    os.utime(path, (before_the_purge, before_the_purge))
    assert verified(product, grace=DAY) == [
        (Invariant.DELETED, f"the bytes of a purged image are still there: {key_of(product, path)}")
    ]
    path.unlink()


def test_bytes_that_were_sent_again_after_their_purge_are_what_any_upload_that_was_cut_off_leaves(
    product: Product, image: dict[str, Any]
) -> None:
    content, path = original(product, image).read_bytes(), original(product, image)
    purge(product, image)
    path.write_bytes(content)
    assert verified(product, grace=DAY) == []
    assert {found for found, _ in verified(product, grace=timedelta(0))} == {Invariant.DELETED, Invariant.REFERENCES}
    path.unlink()


def test_a_purge_that_the_journal_lacks_is_counted_until_gc_writes_it(product: Product, image: dict[str, Any]) -> None:
    before = journal(product)
    purge(product, image)
    (entry,) = journal(product) - before
    (product.data / entry).unlink()
    assert verified(product) == [(Invariant.DELETED, f"{name(image)} is purged, and the journal does not say so")]
    collect(product)
    assert journal(product) - before == {entry}


def test_a_flipped_bit_is_found_in_originals_variants_and_the_journal(product: Product, image: dict[str, Any]) -> None:
    bystander = product.settled(product.upload(samples.png(64, 64, seed=5)))
    purge(product, bystander)
    entry = product.data / max(journal(product))
    for path, sentence in (
        (original(product, image), "holds other bytes than were stored"),
        (stored(product, image["sha256"], "medium")[0], "holds other bytes than were stored"),
    ):
        flip(path)
        assert verified(product) == [(Invariant.SOUND, f"{key_of(product, path)} {sentence}")]
        assert verified(product, quick=True) == []
        flip(path)
    content = entry.read_text()
    entry.write_text(content[:-10])
    assert verified(product) == [(Invariant.SOUND, f"{key_of(product, entry)} is no entry of the journal")]
    entry.write_text(content)


def test_a_database_that_would_lose_what_it_acknowledged_is_counted(product: Product, image: dict[str, Any]) -> None:
    assert image
    product.query("ALTER ROLE tintype_app SET synchronous_commit = off")
    product.query("ALTER DATABASE tintype SET synchronous_commit = off")
    try:
        ((found, sentence),) = verified(product)
        assert found is Invariant.POWER
        assert sentence.startswith("synchronous_commit is off")
    finally:
        product.query("ALTER DATABASE tintype RESET synchronous_commit")
        product.query("ALTER ROLE tintype_app RESET synchronous_commit")


# A backup


TABLES = ("images", "blobs", "blob_refs", "variants", "usage")


def test_a_restored_backup_does_not_bring_back_what_was_purged_since(product: Product) -> None:
    kept, gone = (product.settled(product.upload(samples.jpeg(320, 240, seed=seed))) for seed in (81, 82))
    assert eventually(lambda: product.query(JOBS_LEFT) == [])
    for table in TABLES:
        product.query(f"CREATE TABLE backup_{table} AS SELECT * FROM {table}")  # noqa: S608 -- a name of ours
    files = {path: path.read_bytes() for path in stored(product, gone["sha256"])}
    purge(product, gone)
    assert stored(product, gone["sha256"]) == []
    for table in TABLES:
        product.query(f"DELETE FROM {table}")  # noqa: S608 -- likewise
        product.query(f"INSERT INTO {table} SELECT * FROM backup_{table}")  # noqa: S608 -- likewise
        product.query(f"DROP TABLE backup_{table}")
    for path, content in files.items():
        path.write_bytes(content)
    assert product.query("SELECT state FROM images WHERE id = %s", number(gone)) == [("ready",)]
    assert any(found is Invariant.DELETED and "is alive" in sentence for found, sentence in verified(product))
    report, again = replay(product)
    assert [purge.image for purge in again] == [number(gone)]
    assert (report["purged_again"], report["damaged"]) == (1, 0)
    assert product.query("SELECT state FROM images WHERE id = %s", number(gone)) == [("purged",)]
    assert stored(product, gone["sha256"]) == []
    assert product.stranger.get(gone["url"]).status_code == 410
    assert product.stranger.get(kept["url"]).status_code == 200
    assert eventually(lambda: product.query(JOBS_LEFT) == [])
    assert verified(product) == []
    assert replay(product)[0]["purged_again"] == 0


def test_bytes_that_came_back_without_a_row_are_removed_by_the_replay_unless_somebody_uses_them(
    product: Product,
) -> None:
    first, second = (product.settled(product.upload(samples.jpeg(320, 240, seed=seed))) for seed in (83, 84))
    copies = {path: path.read_bytes() for image in (first, second) for path in stored(product, image["sha256"])}
    for image in (first, second):
        purge(product, image)
    for path, content in copies.items():
        path.write_bytes(content)
    again = product.settled(product.upload(samples.jpeg(320, 240, seed=84)))
    report, _ = replay(product)
    assert (report["purged_again"], report["blobs_removed"]) == (0, 1)
    assert stored(product, first["sha256"], "original") == []
    assert product.client.get(again["url"]).status_code == 200
    collect(product)
    assert verified(product) == []


# The command


def test_the_command_counts_beside_a_running_product_and_without_one(image: dict[str, Any], product: Product) -> None:
    del image, product
    with passable_directory() as directory:
        with start_product(directory / "data", environment=UNSCHEDULED) as fresh:
            shown = fresh.settled(fresh.upload(samples.jpeg(320, 240, seed=90)))
            sound = tintype("verify", "--data", str(fresh.data), "--json")
            assert (sound.returncode, sound.stderr) == (0, "")
            report = json.loads(sound.stdout)
            assert (report["total"], report["keys"]) == (0, 7)
            assert set(report["violations"]) == {"I1", "I2", "I3", "I4", "I6", "I13", "I14"}
            path = original(fresh, shown)
            ((outcome,),) = fresh.query("SELECT outcome FROM periodic_tasks WHERE name = 'verify'")
            assert outcome == "done"
        flip(path)
        damaged = tintype("verify", "--data", str(directory / "data"))
        assert damaged.returncode == 1, damaged.stderr
        assert f"I13: {key_of(fresh, path)} holds other bytes than were stored." in damaged.stdout
        assert "violations.I13: 1" in damaged.stdout
        assert tintype("verify", "--quick", "--data", str(directory / "data")).returncode == 0
    refused = tintype("verify", "--data", str(directory / "data"))
    assert (refused.returncode, refused.stdout) == (2, "")
