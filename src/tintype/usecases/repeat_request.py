"""The story of a request that may be repeated, and whose work is the same however often it is done.

What it makes is named by what it is made of, so that a repetition whose first answer was lost before it was kept makes
nothing twice either. An upload is not like that, and keeps its answer in its own transaction (`upload_image.py`).
"""

from tintype.db.idempotency import find_answer, keep_answer
from tintype.db.pool import Database
from tintype.domain.idempotency import Attempt, answer_again


class RepeatRequest:
    """Knows what repetitions are answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answered_before(self, tenant: int, attempt: Attempt | None) -> str | None:
        """Return the answer to an earlier attempt, None without one; `Problem` when the key was used otherwise."""
        if attempt is None:
            return None
        async with self._database.transaction(tenant) as connection:
            kept = await find_answer(connection, tenant=tenant, key=attempt.key)
        return answer_again(attempt, kept) if kept is not None else None

    async def keep(self, tenant: int, attempt: Attempt | None, *, image_id: int, answer: str) -> None:
        """Keep the answer for repetitions; of two attempts side by side the first one's stays."""
        if attempt is None:
            return
        async with self._database.transaction(tenant) as connection:
            await keep_answer(connection, tenant=tenant, attempt=attempt, image=image_id, answer=answer)
