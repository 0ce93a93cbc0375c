"""Answers that are kept for requests with an Idempotency-Key, in the bucket of the key."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tintype.db.pool import Connection
from tintype.domain.idempotency import Attempt, IdempotencyKey, KeptAnswer, answer_again
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
        """INSERT INTO idempotency_keys AS kept (bucket, tenant, key, account, fingerprint, image, answer)
           VALUES (%s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (bucket, tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint, image = excluded.image,
               answer = excluded.answer, created_at = excluded.created_at
           WHERE kept.created_at <= now() - interval '24 hours' RETURNING 1""",
        [attempt.key.bucket, tenant, attempt.key.digest, attempt.key.account, attempt.fingerprint, image, answer],
    )
    return await cursor.fetchone() is not None


class AnsweredMeanwhile(Exception):
    """Another attempt with the same key came first; what this one wrote is to be rolled back."""


Done = TypeVar("Done")


async def undone_once(work: Callable[[], Awaitable[Done]]) -> Done:
    """Do what keeps an answer; when another attempt came first, do it again: it finds that one's answer."""
    try:
        return await work()
    except AnsweredMeanwhile:
        return await work()


async def answered_before(connection: Connection, *, tenant: int, attempt: Attempt | None) -> KeptAnswer | None:
    """Return what an earlier attempt left, None without one; `Problem` when its key came with another request."""
    kept = await find_answer(connection, tenant=tenant, key=attempt.key) if attempt is not None else None
    if attempt is not None and kept is not None:
        answer_again(attempt, kept)
    return kept


async def keep_or_undo(
    connection: Connection, *, tenant: int, attempt: Attempt | None, made: int, answer: str = "{}"
) -> None:
    """Keep the answer in the transaction that made `made`; `AnsweredMeanwhile`, to undo it, after another attempt."""
    if attempt is not None and not await keep_answer(
        connection, tenant=tenant, attempt=attempt, image=made, answer=answer
    ):
        raise AnsweredMeanwhile


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
