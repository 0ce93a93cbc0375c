"""What somebody asked for last: their export, as long as it is theirs to have."""

from datetime import UTC, datetime

from tintype.db.account_exports import Export, get_export
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.domain.errors import Code, Problem


class AccountExports:
    """Finds exports."""

    def __init__(self, database: Database, clock: DatabaseClock) -> None:
        self.database = database
        self._clock = clock

    async def of(self, tenant: int, account: int) -> Export:
        """Return the account's export; `Problem` not_found when there is none, or not any more."""
        await self._clock.refresh()
        async with self.database.transaction(tenant) as connection:
            export = await get_export(connection, account)
        over = datetime.max.replace(tzinfo=UTC)
        if export is None or (export.expires_at or over) <= self._clock.now():
            raise Problem(Code.NOT_FOUND, "There is no export of your account. Ask for one.")
        return export
