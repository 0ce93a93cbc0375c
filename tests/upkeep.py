"""`gc` and `verify` in the test's own process, on the database and the files of a running product."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from product import Product
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.bootstrap.parts import upkeep_of
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.garbage import Find, Garbage
from tintype.domain.invariant import Invariant, Violation
from tintype.domain.purge import Purge
from tintype.settings import load_settings
from tintype.upkeep import Upkeep

UNSCHEDULED: Final = {"TINTYPE_SCHEDULE__GC": "off", "TINTYPE_SCHEDULE__VERIFY": "off"}
"""The environment of a product that looks after nothing by itself while a test has its hands in it."""

CREDENTIALS: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})

T = TypeVar("T")


def with_upkeep(
    product: Product, story: Callable[[Upkeep], Awaitable[T]], environment: Mapping[str, str] | None = None
) -> T:
    """Return what the story returns, which is given the upkeep of this product's data."""
    url = running_superuser_url(EmbeddedConfig(data=product.data))
    assert url is not None
    given = environment or {}
    settings = load_settings(file=None, environment=given, flags={"data": str(product.data)})

    async def run() -> T:
        database = Database(DatabaseConfig(url))
        await database.open()
        try:
            return await story(upkeep_of(settings, database))
        finally:
            await database.close()

    with pytest.MonkeyPatch.context() as patch:
        for name in CREDENTIALS & given.keys():
            patch.setenv(name, given[name])
        return asyncio.run(run())


def collect(product: Product, *, grace: timedelta = timedelta(0), dry_run: bool = False) -> set[tuple[Garbage, str]]:
    """Run `gc` and return what it found: sorts and names."""
    found: list[Find] = []

    async def story(upkeep: Upkeep) -> None:
        report = await upkeep.collect_garbage(dry_run=dry_run, grace=grace, notice=found.append)
        assert report["failed"] == 0

    with_upkeep(product, story)
    return {(find.sort, find.name) for find in found}


def verified(product: Product, *, grace: timedelta = timedelta(0), quick: bool = False) -> list[tuple[Invariant, str]]:
    """Run `verify` and return every violation: of which invariant, and what is said of it."""
    found: list[Violation] = []

    async def story(upkeep: Upkeep) -> None:
        report = await upkeep.verify(grace=grace, quick=quick, notice=found.append)
        assert report["total"] == len(found)

    with_upkeep(product, story)
    return [(violation.invariant, violation.sentence) for violation in found]


def replay(product: Product) -> tuple[dict[str, Any], list[Purge]]:
    """Replay the purge journal and return its report and the purges that were done again."""
    again: list[Purge] = []

    async def story(upkeep: Upkeep) -> dict[str, Any]:
        return await upkeep.replay_purges(notice=again.append)

    return with_upkeep(product, story), again


def key_of(product: Product, path: Path) -> str:
    """Return the key of a file in the product's store."""
    return str(path.relative_to(product.data / "blobs"))


def stored(product: Product, sha256: str, section: str | None = None) -> list[Path]:
    """Return the files of a blob: its bytes and variants, or those of one section."""
    found = (product.data / "blobs").rglob(f"{sha256}*")
    return sorted(path for path in found if section is None or path.parts[-4] == section)
