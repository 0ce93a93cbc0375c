"""Rows and files side by side: page by page, whatever the pages are, each place once and in order."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest

from postgres import Server, drop_database, fresh_database
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.db.migrate import migrate
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.variants import VariantRow
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket
from tintype.domain.keys import original_key
from tintype.storage.inventory import Inventory, Place

TENANTS = (0x1, 0x1F, 0xA0, 0x2)
PRESETS = ("thumb", "thumb-2", "large", "zoom")


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    made = fresh_database(postgres_server)
    migrate(made)
    yield made
    drop_database(postgres_server, made)


def fill(url: str, root: Path, dice: random.Random) -> tuple[set[str], set[str]]:
    """Make rows and files, some of them without the other, and return the keys of both."""
    rows, files = set[str](), {"journal/purges/x", "zebra/1"}
    with psycopg.connect(url, options="-c search_path=tintype") as connection:
        for tenant in TENANTS[:3]:
            for _ in range(40):
                sha256 = dice.randbytes(32) if dice.random() < 0.7 else bytes([7, 7]) + dice.randbytes(30)
                connection.execute(
                    "INSERT INTO blobs (bucket, tenant, sha256, size, format) VALUES (%s, %s, %s, 1, 'png')",
                    [blob_bucket(sha256), tenant, sha256],
                )
                rows.add(original_key(tenant, sha256))
                for number in range(dice.randrange(4)):
                    row = VariantRow(
                        dice.randbytes(16).hex(), PRESETS[number], Format.WEBP, 1, 1, 1, file_sha256=dice.randbytes(32)
                    )
                    connection.execute(
                        """INSERT INTO variants (bucket, tenant, sha256, digest, preset, format, width, height, size,
                               file_sha256) VALUES (%s, %s, %s, %s, %s, 'webp', 1, 1, 1, %s)""",
                        [blob_bucket(sha256), tenant, sha256, row.digest, row.preset, row.file_sha256],
                    )
                    rows.add(row.key(tenant=tenant, sha256=sha256))
    files |= {key for key in sorted(rows) if dice.random() < 0.8}
    files |= {original_key(tenant, dice.randbytes(32)) for tenant in TENANTS for _ in range(10)}
    for key in files:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).touch()
    return rows, files


@pytest.mark.parametrize("page", [1, 2, 7, 1000])
def test_every_key_of_rows_or_files_comes_once_and_in_order(
    url: str, tmp_path: Path, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tintype.storage.inventory.PAGE_ROWS", page)
    seed = int.from_bytes(os.urandom(4), "big")
    rows, files = fill(url, tmp_path / "blobs", random.Random(seed))

    async def story() -> list[Place]:
        database, blobs = Database(DatabaseConfig(url)), LocalBlobStore(tmp_path / "blobs")
        await database.open()
        try:
            return [place async for place in Inventory(database, blobs).places(TENANTS)]
        finally:
            await database.close()
            blobs.close()

    places = anyio.run(story)
    assert [place.key for place in places] == sorted(rows | files), seed
    assert {place.key for place in places if place.recorded is not None} == rows
    assert {place.key for place in places if place.file is not None} == files
