"""`tintype signing-key`: list, rotate and retire the keys that a tenant's addresses are signed with."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tintype.db.pool import Database, DatabaseConfig
from tintype.db.tenants import every_tenant, slug_of
from tintype.domain.audit import CONSOLE
from tintype.domain.errors import Problem
from tintype.server_key import sealer
from tintype.settings import Settings
from tintype.storage.signing_keys import SigningKeys
from tintype.usecases.retire_signing_key import RetireSigningKey

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """What is to be done (`list`, `rotate`, `retire`) with the keys of which tenant; `kid` is the one to retire."""

    action: str
    tenant: str
    kid: str | None = None


def work_on_signing_keys(settings: Settings, database_url: str, wanted: WantedKeys, say: Say, complain: Say) -> int:
    """Do it, and return the exit status: 1 when it could not be done."""
    return asyncio.run(_work(settings, database_url, wanted, say, complain))


async def _work(settings: Settings, database_url: str, wanted: WantedKeys, say: Say, complain: Say) -> int:
    database = Database(DatabaseConfig(database_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    keys = SigningKeys(database, sealer(settings))
    await database.open()
    try:
        tenant = await _tenant(database, wanted.tenant)
        if tenant is None:
            complain(f"There is no tenant {wanted.tenant!r}.")
            return 1
        if wanted.action == "rotate":
            await _rotate(keys, tenant, say)
        elif wanted.kid is not None:
            await RetireSigningKey(database=database, keys=keys)(tenant, wanted.kid, CONSOLE)
            say(f"{wanted.kid} is retired: what it signed opens nothing any more.")
        else:
            for row in await keys.listed(tenant):
                say(f"{row.kid}  {row.state:<9}  {row.created_at.isoformat(timespec='seconds')}")
    except Problem as problem:
        complain(problem.detail)
        return 1
    finally:
        await database.close()
    return 0


async def _tenant(database: Database, slug: str) -> int | None:
    async for tenant in every_tenant(database):
        async with database.transaction(tenant) as connection:
            if await slug_of(connection) == slug:
                return tenant
    return None


async def _rotate(keys: SigningKeys, tenant: int, say: Say) -> None:
    key = (await keys.rotate(tenant, None, CONSOLE)).key
    secret = base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode()
    say(f"{key.kid} signs from now on; the key before it still verifies. Its secret is shown this once:\n{secret}")
