"""Answers that are kept for requests with an Idempotency-Key, in the bucket of the key."""

from typing import Final

from tintype.db.pool import Connection
from tintype.domain.idempotency import Attempt, IdempotencyKey, KeptAnswer
from tintype.domain.ids import bucket_of

SWEPT_AT_ONCE: Final = 10_000
"""Rows; a statement that deletes them takes a fraction of a second."""


async def find_answer(connection: Connection, *, tenant: int, key: IdempotencyKey) -> KeptAnswer | None:
    """Return what was kept for the key within the last 24 hours, or None."""
    cursor = await connection.execute(
        """SELECT fingerprint, image, answer FROM idempotency_keys
           WHERE bucket = %s AND tenant = %s AND key = %s AND created_at > now() - interval '24 hours'""",
        [key.bucket, tenant, key.digest],
    )
    row = await cursor.fetchone()
    return KeptAnswer(*row) if row else None


async def keep_answer(connection: Connection, *, tenant: int, attempt: Attempt, image: int, answer: str) -> bool:
    """Keep the answer for the attempt's key; return False, and keep nothing, when there is one already.

    Whoever is about to keep one for the same key is waited for.
    """
    cursor = await connection.execute(
        """INSERT INTO idempotency_keys AS kept (bucket, tenant, key, fingerprint, image, answer)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (bucket, tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint, image = excluded.image,
               answer = excluded.answer, created_at = excluded.created_at
           WHERE kept.created_at <= now() - interval '24 hours' RETURNING 1""",
        [attempt.key.bucket, tenant, attempt.key.digest, attempt.fingerprint, image, answer],
    )
    return await cursor.fetchone() is not None


async def forget_answers(connection: Connection, *, tenant: int, image: int) -> None:
    """Keep that the image was made, but nothing of what was said about it."""
    await connection.execute(
        "UPDATE idempotency_keys SET answer = NULL WHERE bucket = %s AND tenant = %s AND image = %s",
        [bucket_of(image), tenant, image],
    )


async def sweep_answers(connection: Connection) -> int:
    """Forget what was kept for a day, in every bucket; return how many answers. A row is over by its age alone."""
    swept = 0
    while True:
        cursor = await connection.execute("SELECT sweep_idempotency_keys(%s)", [SWEPT_AT_ONCE])
        row = await cursor.fetchone()
        count = row[0] if row else 0
        swept += count
        if count < SWEPT_AT_ONCE:
            return swept
