"""The story of what people leave behind: sessions, mails and set-up links that are over."""

from collections.abc import Mapping

from tintype.db.pool import Database
from tintype.db.sessions import sweep_mails, sweep_sessions, sweep_setup_links


async def sweep_accounts(database: Database) -> Mapping[str, int]:
    """Forget what is over, and return how much of each. May be cut off and run again at any time."""
    async with database.lookup() as connection:
        return {
            "sessions": await sweep_sessions(connection),
            "mails": await sweep_mails(connection),
            "setup_links": await sweep_setup_links(connection),
        }
