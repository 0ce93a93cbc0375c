"""The purge journal: durable before the bytes go, complete, and bounded."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from sabotage import sabotaged
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.domain.purge import Purge
from tintype.storage.purge_journal import DamagedEntry, PurgeJournal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[LocalBlobStore]:
    store = LocalBlobStore(tmp_path / "blobs")
    yield store
    store.close()


def purge(image: int, *, days_ago: float) -> Purge:
    return Purge(7, image, (image.to_bytes(32, "big"),), NOW - timedelta(days=days_ago))


async def read(journal: PurgeJournal) -> list[Purge | DamagedEntry]:
    return [entry async for entry in journal.entries()]


async def keys(blobs: LocalBlobStore) -> list[str]:
    found: AsyncIterator[str] = (blob.key async for blob in blobs.list("journal/"))
    return [key async for key in found]


def test_days_that_are_long_over_are_bundled_and_nothing_is_lost(
    blobs: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tintype.storage.purge_journal.BUNDLE_PURGES", 4)
    journal = PurgeJournal(blobs)
    purges = [purge(number, days_ago=20) for number in range(10)] + [purge(50, days_ago=9), purge(51, days_ago=1)]

    async def story() -> None:
        for each in purges:
            assert await journal.append(each)
            assert not await journal.append(each)
        assert await journal.bundle(NOW) == 10
        assert len(await keys(blobs)) == 3 + 1 + 1
        assert sorted(await read(journal), key=str) == sorted(purges, key=str)
        assert await journal.bundle(NOW) == 0
        assert await journal.has(51, purges[-1].purged_at)

    anyio.run(story)


def test_a_bundling_that_was_cut_off_leaves_a_purge_twice_and_none_missing(
    blobs: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, purges = PurgeJournal(blobs), [purge(number, days_ago=20) for number in range(3)]

    async def cut_off(*_: object) -> bool:
        raise RuntimeError("cut off")

    async def story() -> None:
        for each in purges:
            await journal.append(each)
        with monkeypatch.context() as patch:
            patch.setattr(LocalBlobStore, "delete", cut_off)
            with pytest.raises(RuntimeError):
                await journal.bundle(NOW)
        assert len(await read(journal)) == 6
        assert await journal.bundle(NOW) == 3
        assert sorted(await read(journal), key=str) == sorted(purges, key=str)

    anyio.run(story)


def test_days_that_no_backup_can_be_older_than_are_dropped(blobs: LocalBlobStore) -> None:
    journal = PurgeJournal(blobs)

    async def story() -> None:
        for days_ago in (500, 401, 399, 0):
            await journal.append(purge(days_ago, days_ago=days_ago))
        assert await journal.drop(NOW, after=timedelta(days=400)) == 2
        assert [entry.image for entry in await read(journal) if isinstance(entry, Purge)] == [399, 0]

    anyio.run(story)


def test_an_entry_that_is_damaged_is_named_kept_and_holds_up_no_other(blobs: LocalBlobStore, tmp_path: Path) -> None:
    journal = PurgeJournal(blobs)

    async def story() -> None:
        for number in range(3):
            await journal.append(purge(number, days_ago=20))
        damaged = (await keys(blobs))[1]
        (tmp_path / "blobs" / damaged).write_bytes(b"\xff")
        assert await journal.bundle(NOW) == 2
        assert DamagedEntry(damaged) in await read(journal)
        assert len(await read(journal)) == 3

    anyio.run(story)


def test_a_purge_is_in_the_journal_before_its_bytes_go_and_before_it_is_acknowledged() -> None:
    code = """
        from tintype.adapters.blobs_local import LocalBlobStore
        from tintype.ports.blobs import BlobStoreFailed

        put = LocalBlobStore.put

        async def refuse_the_journal(self, key, chunks, *, size, sha256, file=None):
            if key.startswith("journal/") and not (self._directory._root / "journal-works").exists():
                raise BlobStoreFailed("broken on purpose")
            return await put(self, key, chunks, size=size, sha256=sha256, file=file)

        LocalBlobStore.put = refuse_the_journal
    """
    with passable_directory() as directory:
        environment = sabotaged(directory / "broken", code) | {"TINTYPE_JOBS__RETRY_SECONDS": "0.2"}
        with start_product(directory / "data", environment=environment) as product:
            image = product.settled(product.upload(samples.jpeg(320, 240, seed=70)))
            assert product.client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
            assert product.stranger.get(image["url"]).status_code == 410
            assert originals(product, image["sha256"])  # no journal, so they stay, though nobody can see them
            (product.data / "blobs" / "journal-works").touch()
            assert eventually(lambda: not originals(product, image["sha256"]), within=20)
            assert any("journal/purges/" in name for name in product.files("blobs"))


def originals(product: Product, sha256: str) -> set[str]:
    return {name for name in product.files("blobs") if name.endswith(f"/{sha256}")}
