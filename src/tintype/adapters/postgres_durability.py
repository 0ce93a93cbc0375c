"""I14: a database acknowledges only what would survive a power cut. Asked of the server, whatever it was told."""

from typing import Any, Final

import psycopg

from tintype.db.durability import DURABILITY_QUERY

_CONSEQUENCES: Final = {
    "fsync": ("off", "a power cut can destroy the whole database"),
    "full_page_writes": ("off", "a power cut can leave pages half written"),
    "data_checksums": ("off", "bytes that rot on the disk are served as they are"),
    "synchronous_commit": ("off", "a power cut takes acknowledged uploads with it"),
    "data_sync_retry": ("on", "a failed write to the disk is taken for a good one at the second try"),
}
"""The forbidden value of each setting. Every `synchronous_commit` but `off` waits for the local disk (PostgreSQL 18
documentation, table 19.1)."""


def durability_violations(connection: psycopg.Connection[Any]) -> list[str]:
    """Return a sentence for each setting of the server that would lose acknowledged data; an empty list is good."""
    return violations_in(dict(connection.execute(DURABILITY_QUERY).fetchall()))


def violations_in(chosen: dict[str, str]) -> list[str]:
    """Return a sentence for each setting in the answer to `DURABILITY_QUERY` that would lose acknowledged data."""
    return [
        f"{name} is {value}: {consequence}."
        for name, (forbidden, consequence) in _CONSEQUENCES.items()
        if (value := chosen.get(name, "unknown")) in (forbidden, "unknown")
    ]
