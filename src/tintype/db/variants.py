"""Variants: files derived from a blob."""

from collections.abc import Iterable
from dataclasses import dataclass

from tintype.db.pool import Connection
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A variant that was made: size in pixels and bytes."""

    digest: str
    preset: str
    format: Format
    width: int
    height: int
    size: int


async def upsert_variants(connection: Connection, *, tenant: int, sha256: bytes, rows: Iterable[VariantRow]) -> None:
    """Record variants whose files are in the store. One that is there already is written again: a job may repeat."""
    bucket = blob_bucket(sha256)
    for row in rows:
        await connection.execute(
            """INSERT INTO variants (bucket, tenant, sha256, digest, preset, format, width, height, size)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (bucket, tenant, sha256, digest) DO UPDATE
               SET preset = excluded.preset, width = excluded.width, height = excluded.height, size = excluded.size""",
            [bucket, tenant, sha256, row.digest, row.preset, row.format, row.width, row.height, row.size],
        )


async def list_variants(connection: Connection, *, tenant: int, sha256: bytes) -> tuple[VariantRow, ...]:
    """Return every variant of the blob."""
    cursor = await connection.execute(
        """SELECT digest, preset, format, width, height, size FROM variants
           WHERE bucket = %s AND tenant = %s AND sha256 = %s ORDER BY digest""",
        [blob_bucket(sha256), tenant, sha256],
    )
    return tuple(
        VariantRow(digest, preset, Format(fmt), width, height, size)
        for digest, preset, fmt, width, height, size in await cursor.fetchall()
    )
