"""Uploads under way, each in the bucket of its image; state changes are compare-and-set along `domain/upload.py`.

What lies in the store of an upload has a row for each piece (`upload_parts`), written after the piece is durable: the
parts of a multipart upload by their number from 1, the segments of a resumable one by their offset, what came by one
PUT, and what a client wrote to a remote store by itself, as number 1. What no row names is nobody's, and gc's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

from tintype.db.image_events import tell_of_upload
from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.image import Attachment
from tintype.domain.upload import ENDED, OPEN, Method, Part, Upload, UploadState, sources_of
from tintype.domain.visibility import Visibility
from tintype.domain.webhook import EventType

_COLUMNS: Final[LiteralString] = """id, tenant, secret, owner, created_by, method, state, state_reason, size,
    content_type, sha256, filename, received, reserved, part_size, store_upload, kind, title, alt, tags, visibility,
    expires_in, attached_type, attached_id, write_token_hash, read_token_hash, address, created_at, updated_at,
    expires_at, ended_at"""
_SELECT: Final[LiteralString] = f"SELECT {_COLUMNS} FROM uploads WHERE bucket = %s AND id = %s"  # noqa: S608 -- columns

KEPT_DAYS: Final = 7
"""How long an upload that has ended can be asked about: whoever began it comes back within days or never."""


async def tenant_of_upload(connection: Connection, upload_id: int) -> int | None:
    """Return the tenant of the upload, or None when there is no such upload. Needs no tenant."""
    cursor = await connection.execute("SELECT tenant_of_upload(%s, %s)", [bucket_of(upload_id), upload_id])
    row = await cursor.fetchone()
    return row[0] if row else None


async def insert_upload(connection: Connection, upload: Upload) -> None:
    """Store a new upload; a clash of ids is psycopg's UniqueViolation."""
    await connection.execute(
        """INSERT INTO uploads (bucket, id, tenant, secret, owner, created_by, method, state, size, content_type,
               sha256, filename, reserved, part_size, store_upload, kind, title, alt, tags, visibility, expires_in,
               attached_type, attached_id, write_token_hash, read_token_hash, address, created_at, updated_at,
               expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
               %s, %s, %s, %s, %s)""",
        [
            *(bucket_of(upload.id), upload.id, upload.tenant, upload.secret.to_bytes(8, "big")),
            *(upload.owner, upload.created_by, upload.method, upload.state, upload.size, upload.content_type),
            *(upload.sha256, upload.filename, upload.reserved, upload.part_size, upload.store_upload, upload.kind),
            *(upload.title, upload.alt, list(upload.tags), upload.visibility),
            int(upload.expires_in.total_seconds()) if upload.expires_in is not None else None,
            upload.attached_to.type if upload.attached_to else None,
            upload.attached_to.id if upload.attached_to else None,
            *(upload.write_token_hash, upload.read_token_hash, upload.address),
            *(upload.created_at, upload.updated_at, upload.expires_at),
        ],
    )


async def get_upload(connection: Connection, upload_id: int) -> Upload | None:
    """Return the upload with this id (of this tenant), or None."""
    cursor = await connection.execute(_SELECT, [bucket_of(upload_id), upload_id])
    row = await cursor.fetchone()
    return _upload(row) if row else None


async def lock_upload(connection: Connection, upload_id: int) -> Upload | None:
    """Return the upload and hold its lock until the transaction ends. It comes before every other lock."""
    cursor = await connection.execute(_SELECT + " FOR UPDATE", [bucket_of(upload_id), upload_id])
    row = await cursor.fetchone()
    return _upload(row) if row else None


async def set_state(
    connection: Connection, upload_id: int, to: UploadState, *, reason: str | None = None
) -> Upload | None:
    """Move the upload to `to`, from wherever its life cycle allows that; return it as it is then, None if it does not.

    `reason` is a stable code. One that ends has nothing reserved any more: to return that is the caller's.
    """
    ended: LiteralString = ", ended_at = now()" if to in ENDED else ""
    cursor = await connection.execute(
        f"""UPDATE uploads SET state = %s, state_reason = %s, updated_at = now(){ended}
            WHERE bucket = %s AND id = %s AND state = ANY (%s) RETURNING {_COLUMNS}""",  # noqa: S608 -- columns
        [to, reason, bucket_of(upload_id), upload_id, list(sources_of(to))],
    )
    row = await cursor.fetchone()
    if row and to is UploadState.REJECTED:
        await tell_of_upload(connection, EventType.IMAGE_REJECTED, upload_id)
    return _upload(row) if row else None


# Bytes


async def get_parts(connection: Connection, upload_id: int) -> tuple[Part, ...]:
    """Return what lies in the store of the upload, in its order."""
    cursor = await connection.execute(
        "SELECT number, size, sha256 FROM upload_parts WHERE bucket = %s AND upload = %s ORDER BY number",
        [bucket_of(upload_id), upload_id],
    )
    return tuple(Part(*row) for row in await cursor.fetchall())


async def get_part(connection: Connection, upload_id: int, number: int) -> Part | None:
    """Return one piece of what lies in the store, or None."""
    cursor = await connection.execute(
        "SELECT number, size, sha256 FROM upload_parts WHERE bucket = %s AND upload = %s AND number = %s",
        [bucket_of(upload_id), upload_id, number],
    )
    row = await cursor.fetchone()
    return Part(*row) if row else None


async def put_part(connection: Connection, upload: Upload, part: Part) -> None:
    """Record a piece that is durable, in the place of one with its number. The caller has locked an open upload."""
    await connection.execute(
        """INSERT INTO upload_parts (bucket, upload, number, tenant, size, sha256) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (bucket, upload, number) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256""",
        [bucket_of(upload.id), upload.id, part.number, upload.tenant, part.size, part.sha256],
    )
    await connection.execute(
        """UPDATE uploads u SET state = %s, updated_at = now(), received = (
               SELECT coalesce(sum(p.size), 0) FROM upload_parts p WHERE p.bucket = u.bucket AND p.upload = u.id)
           WHERE u.bucket = %s AND u.id = %s AND u.state = ANY (%s)""",
        [UploadState.RECEIVING, bucket_of(upload.id), upload.id, list(OPEN)],
    )


async def advance(connection: Connection, upload: Upload, *, offset: int, segment: Part) -> bool:
    """Record the next segment (its number is `offset`), which is durable, if that is where the upload still stands.

    Return whether it was: of two writers at one offset, one is told no, and what it stored is nobody's. This is the
    whole compare-and-set, so the caller needs no lock; an upload that is not open is never advanced.
    """
    cursor = await connection.execute(
        """UPDATE uploads SET state = %s, received = received + %s, updated_at = now()
           WHERE bucket = %s AND id = %s AND received = %s AND state = ANY (%s)
             AND (size IS NULL OR received + %s <= size) RETURNING 1""",
        [
            *(UploadState.RECEIVING, segment.size, bucket_of(upload.id), upload.id, offset),
            *(list(OPEN), segment.size),
        ],
    )
    if await cursor.fetchone() is None:
        return False
    await connection.execute(
        "INSERT INTO upload_parts (bucket, upload, number, tenant, size, sha256) VALUES (%s, %s, %s, %s, %s, %s)",
        [bucket_of(upload.id), upload.id, segment.number, upload.tenant, segment.size, segment.sha256],
    )
    return True


async def declare_size(connection: Connection, upload_id: int, *, size: int, reserved: int) -> bool:
    """Record the size of an open upload that did not know it, and what is reserved for it then; return whether it did.

    To reserve the rest is the caller's, in the same transaction.
    """
    cursor = await connection.execute(
        """UPDATE uploads SET size = %s, reserved = %s, updated_at = now()
           WHERE bucket = %s AND id = %s AND size IS NULL AND received <= %s AND state = ANY (%s) RETURNING 1""",
        [size, reserved, bucket_of(upload_id), upload_id, size, list(OPEN)],
    )
    return await cursor.fetchone() is not None


async def delete_parts(connection: Connection, upload_id: int) -> None:
    """Forget what lay in the store of an upload that has ended."""
    await connection.execute(
        "DELETE FROM upload_parts WHERE bucket = %s AND upload = %s", [bucket_of(upload_id), upload_id]
    )


# Sweeps, across buckets and tenants: each row is over by its own time alone


async def overdue_uploads(connection: Connection, *, limit: int) -> Sequence[tuple[int, int]]:
    """Return tenant and id of open uploads whose time is over, the oldest first. Needs no tenant."""
    cursor = await connection.execute("SELECT tenant, id FROM overdue_uploads(%s)", [limit])
    return [(tenant, upload) for tenant, upload in await cursor.fetchall()]


async def lost_uploads(connection: Connection, *, seconds: float, limit: int) -> Sequence[tuple[int, int]]:
    """Return tenant and id of uploads that were complete so long ago and have no job at all. Needs no tenant."""
    cursor = await connection.execute("SELECT tenant, id FROM lost_uploads(%s, %s)", [seconds, limit])
    return [(tenant, upload) for tenant, upload in await cursor.fetchall()]


async def sweep_ended(connection: Connection, *, limit: int) -> int:
    """Forget uploads that ended long ago, and return how many. Needs no tenant."""
    cursor = await connection.execute("SELECT sweep_uploads(%s, %s)", [KEPT_DAYS, limit])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class StagedPart:
    """A piece that a row says is in the store, of an upload that has not ended."""

    upload: int
    part: Part


async def staged_page(
    connection: Connection, *, tenant: int, after: tuple[int, int], limit: int
) -> Sequence[StagedPart]:
    """Return pieces of uploads that have not ended, after that upload and number; of every bucket."""
    cursor = await connection.execute(
        """SELECT p.upload, p.number, p.size, p.sha256
           FROM uploads u JOIN upload_parts p ON p.bucket = u.bucket AND p.upload = u.id
           WHERE u.tenant = %s AND u.ended_at IS NULL AND (p.upload, p.number) > (%s, %s)
           ORDER BY p.upload, p.number LIMIT %s""",
        [tenant, *after, limit],
    )
    return [StagedPart(upload, Part(*part)) for upload, *part in await cursor.fetchall()]


# The uploads of an account lie in whatever buckets they were drawn in: this asks every shard, by the index of owners


async def uploads_of(connection: Connection, *, tenant: int, owner: int, limit: int) -> tuple[int, ...]:
    """Return ids of uploads of the account that have not ended."""
    cursor = await connection.execute(
        "SELECT id FROM uploads WHERE tenant = %s AND owner = %s AND ended_at IS NULL ORDER BY id LIMIT %s",
        [tenant, owner, limit],
    )
    return tuple(row[0] for row in await cursor.fetchall())


def _upload(row: tuple[Any, ...]) -> Upload:
    (
        upload_id, tenant, secret, owner, created_by, method, state, state_reason, size, content_type, sha256, filename,
        received, reserved, part_size, store_upload, kind, title, alt, tags, visibility, expires_in, attached_type,
        attached_id, write_token_hash, read_token_hash, address, created_at, updated_at, expires_at, ended_at,
    ) = row  # fmt: skip
    return Upload(
        id=upload_id,
        tenant=tenant,
        secret=int.from_bytes(secret, "big"),
        owner=owner,
        created_by=created_by,
        method=Method(method),
        state=UploadState(state),
        state_reason=state_reason,
        size=size,
        content_type=content_type,
        sha256=sha256,
        filename=filename,
        received=received,
        reserved=reserved,
        part_size=part_size,
        store_upload=store_upload,
        kind=kind,
        title=title,
        alt=alt,
        tags=tuple(tags),
        visibility=Visibility(visibility),
        expires_in=timedelta(seconds=expires_in) if expires_in is not None else None,
        attached_to=Attachment(attached_type, attached_id) if attached_type is not None else None,
        write_token_hash=write_token_hash,
        read_token_hash=read_token_hash,
        address=address,
        created_at=created_at,
        updated_at=updated_at,
        expires_at=expires_at,
        ended_at=ended_at,
    )
