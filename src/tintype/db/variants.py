"""Variants: files derived from a blob."""

from collections.abc import Iterable
from dataclasses import dataclass

from tintype.db.pool import Connection
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket
from tintype.domain.keys import variant_key


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A variant that was made: what made it (`digest`), and the file that came out, its size in pixels and bytes."""

    digest: str
    preset: str
    format: Format
    width: int
    height: int
    size: int
    file_sha256: bytes

    def key(self, *, tenant: int, sha256: bytes) -> str:
        """Return where the file lies that was made of the tenant's blob `sha256`."""
        return variant_key(
            tenant=tenant,
            preset=self.preset,
            sha256=sha256,
            digest=self.digest,
            file_sha256=self.file_sha256,
            fmt=self.format,
        )


async def insert_variants(connection: Connection, *, tenant: int, sha256: bytes, rows: Iterable[VariantRow]) -> None:
    """Record variants whose files are in the store. One that is recorded already stays as it is: its URL is cached."""
    bucket = blob_bucket(sha256)
    for row in rows:
        await connection.execute(
            """INSERT INTO variants (bucket, tenant, sha256, digest, preset, format, width, height, size, file_sha256)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (bucket, tenant, sha256, digest) DO NOTHING""",
            [
                bucket,
                tenant,
                sha256,
                row.digest,
                row.preset,
                row.format,
                row.width,
                row.height,
                row.size,
                row.file_sha256,
            ],
        )


async def delete_variant(connection: Connection, *, tenant: int, sha256: bytes, row: VariantRow) -> None:
    """Forget a variant whose file was lost, if it is still recorded as `row` says."""
    await connection.execute(
        "DELETE FROM variants WHERE bucket = %s AND tenant = %s AND sha256 = %s AND digest = %s AND file_sha256 = %s",
        [blob_bucket(sha256), tenant, sha256, row.digest, row.file_sha256],
    )


async def list_variants(connection: Connection, *, tenant: int, sha256: bytes) -> tuple[VariantRow, ...]:
    """Return every variant of the blob."""
    cursor = await connection.execute(
        """SELECT digest, preset, format, width, height, size, file_sha256 FROM variants
           WHERE bucket = %s AND tenant = %s AND sha256 = %s ORDER BY digest""",
        [blob_bucket(sha256), tenant, sha256],
    )
    return tuple(
        VariantRow(digest, preset, Format(fmt), width, height, size, file_sha256)
        for digest, preset, fmt, width, height, size, file_sha256 in await cursor.fetchall()
    )
