"""`tintype doctor`: everything this installation stands on, one line each, with what to do about what is wrong."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg

from tintype.adapters.postgres_durability import durability_violations
from tintype.adapters.postgres_embedded import EmbeddedConfig, PostgresUnavailable, running_superuser_url
from tintype.adapters.render_pool import RenderPool
from tintype.bootstrap.blobs import blob_store, keeps_versions
from tintype.bootstrap.parts import API_NICE, render_config
from tintype.database_errors import explain
from tintype.db.migrate import pending_migrations
from tintype.diagnosis.chosen import chosen_settings
from tintype.diagnosis.finding import Finding
from tintype.diagnosis.limits import database_limits, machine_limits
from tintype.diagnosis.protection import certificate, encryption
from tintype.diagnosis.runs import last_runs
from tintype.diagnosis.webhooks import webhook_deliveries
from tintype.imaging import codecs
from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull
from tintype.settings import Settings

LEAST_FREE_BYTES: Final = 1_000_000_000
"""Below a gigabyte an afternoon of uploads fills the disk, and PostgreSQL stops first."""

MOST_CLOCK_SECONDS: Final = 1.0
PROBE_KEY: Final = "0/probe/doctor"


def examine_installation(settings: Settings) -> list[Finding]:
    """Return a finding for each thing that was looked at, in the order to read them in."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("settings", chosen_settings),
        ("disk", _disk),
        ("limits", machine_limits),
        ("encryption", encryption),
        ("certificate", certificate),
        ("blobs", _blobs),
        ("decoder", _decoder),
        ("database", _database),
    )
    findings: list[Finding] = []
    for subject, check in checks:
        try:
            findings += check(settings)
        except psycopg.Error as error:
            findings.append(Finding(subject, ok=False, detail=explain(error)))
        except Exception as error:  # noqa: BLE001 -- a check that breaks is a finding, and the others still run
            findings.append(Finding(subject, ok=False, detail=f"could not be examined: {error!r}."))
    return findings


def _python(_settings: Settings) -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", ok=sys.version_info >= (3, 11), detail=found, advice="Tintype needs Python 3.11 or newer.")
    yield Finding("user", ok=True, detail="root" if os.geteuid() == 0 else f"uid {os.geteuid()}")


def _disk(settings: Settings) -> Iterator[Finding]:
    place = settings.data if settings.data.exists() else Path()
    free = shutil.disk_usage(place).free
    yield Finding(
        "disk",
        ok=free >= LEAST_FREE_BYTES,
        detail=f"{free / 1e9:.1f} GB free for {settings.data}.",
        advice="Make room, or move the data directory: --data.",
    )


def _blobs(settings: Settings) -> Iterator[Finding]:
    store, started = blob_store(settings), time.perf_counter()

    async def try_out() -> tuple[float, bool]:
        await store.put(PROBE_KEY, lambda: (b"x",), size=1, sha256=_SHA256_OF_X)
        await store.delete(PROBE_KEY)
        return (time.perf_counter() - started) * 1000, await keeps_versions(store)

    try:
        milliseconds, versions = asyncio.run(try_out())
    except (BlobStoreFailed, BlobStoreFull) as error:
        advice = "Look at TINTYPE_BLOBS_URL, and at the disk, or the bucket and its credentials, that it names."
        yield Finding("blobs", ok=False, detail=f"{error}.", advice=advice)
        return
    yield Finding("blobs", ok=True, detail=f"a durable write and a delete took {milliseconds:.0f} ms.")
    if versions:
        detail = "keeps versions: what is deleted is only hidden."
        yield Finding("bucket", ok=False, detail=detail, advice="Switch versioning off; docs/storage.md says why.")


_SHA256_OF_X: Final = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def _decoder(settings: Settings) -> Iterator[Finding]:
    wheel, reason = codecs.bundle(), codecs.why_not()
    whose = f"with its codecs in pyvips-binary {wheel}" if wheel else "of the system"
    yield Finding(
        "libvips",
        ok=reason is None,
        detail=f"{', '.join(map(str, codecs.loaded_codecs()))}, {whose}.",
        advice=f"Nothing is decoded: {reason}. Run `make run` again: it installs what this Tintype was tested with.",
    )
    pool = RenderPool(render_config(settings, processes=1, nice=API_NICE))

    async def report() -> tuple[str, tuple[str, ...]]:
        try:
            await pool.start()
            held = await pool.report()
        finally:
            await pool.close()
        locks = (
            f"Landlock ABI {held.landlock}, seccomp {'on' if held.seccomp else 'off'}, {held.threads} threads checked"
        )
        return f"{locks}; denied: {', '.join(held.denied)}.", held.degraded

    detail, degraded = asyncio.run(report())
    yield Finding("sandbox", ok=not degraded, detail=detail, advice=" ".join(degraded))


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        url = running_database_url(settings)
    except PostgresUnavailable as error:
        yield Finding("database", ok=False, detail=str(error))
        return
    if url is None:
        yield Finding("database", ok=True, detail=f"none runs in {settings.data}; `tintype serve` starts it.")
        return
    with psycopg.connect(url, connect_timeout=2) as connection:
        yield from _running_database(settings, connection)


def running_database_url(settings: Settings) -> str | None:
    """Return the owner's URL of the database, configured or running in the data directory; None when there is none."""
    configured = settings.database_owner_url or settings.database_url
    return configured or running_superuser_url(EmbeddedConfig(data=settings.data))


def _running_database(settings: Settings, connection: psycopg.Connection) -> Iterator[Finding]:
    yield Finding("database", ok=True, detail=f"PostgreSQL {connection.info.server_version / 10000:.4g} answers.")
    broken = durability_violations(connection)
    advice = "Mend postgresql.conf and restart the server."
    yield Finding("durability", ok=not broken, detail=" ".join(broken) or "what is acknowledged stays.", advice=advice)
    missing = pending_migrations(connection)
    yield Finding(
        "schema",
        ok=not missing,
        detail=f"{len(missing)} migrations are missing." if missing else "up to date.",
        advice="Run `tintype migrate`.",
    )
    if missing:
        return
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    skew = abs(time.time() - row[0]) if row else 0.0
    yield Finding(
        "clock", ok=skew < MOST_CLOCK_SECONDS, detail=f"{skew:.3f} s from the database's.", advice="Run an NTP client."
    )
    yield from database_limits(settings, connection)
    yield from _jobs(connection)
    yield from webhook_deliveries(connection)
    yield from last_runs(connection)


def _jobs(connection: psycopg.Connection) -> Iterator[Finding]:
    counted: dict[str, int] = dict(
        connection.execute("SELECT status::text, count(*) FROM tintype.procrastinate_jobs GROUP BY 1").fetchall()
    )
    dead = counted.get("failed", 0)
    yield Finding(
        "jobs",
        ok=dead == 0,
        detail=f"{counted.get('todo', 0)} wait, {counted.get('doing', 0)} run, {dead} failed for good.",
        advice="`tintype jobs list` says why; then `tintype jobs retry` or `discard`.",
    )
