"""`tintype quota`: how much a tenant, or an account of one, may keep, for whoever runs the installation."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tintype.db.pool import Database, DatabaseConfig
from tintype.db.setup import NoSuchTenant, tenant_with_slug
from tintype.domain.audit import CONSOLE
from tintype.domain.ids import ACCOUNT_PREFIX, BadId, parse_public_id
from tintype.domain.quota import WHOLE_TENANT, DefaultQuotas, Quota
from tintype.reads.usage import Usage
from tintype.settings_values import size, whole
from tintype.usecases.set_quota import SetQuota

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal."""

NOTHING: Final = "none"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done, and for whom; limits as they were typed, None for those that stay as they are."""

    action: str
    tenant: str
    account: str | None
    bytes: str | None
    images: str | None


def work_on_quota(url: str, wanted: Wanted, defaults: DefaultQuotas, say: Say, complain: Say) -> int:
    """Show, set or clear a quota and return the exit status."""
    try:
        tenant = tenant_with_slug(url, wanted.tenant)
        account = WHOLE_TENANT if wanted.account is None else parse_public_id(ACCOUNT_PREFIX, wanted.account)
        return asyncio.run(_work(url, wanted, (tenant, account), defaults, say))
    except NoSuchTenant:
        complain(f"There is no tenant {wanted.tenant!r}.")
    except (BadId, LookupError):
        complain(f"There is no account {wanted.account!r} of this tenant; an id looks like acc_ and 11 characters.")
    except ValueError as error:
        complain(f"This is no limit: it {error}, or is {NOTHING!r}.")
    return 1


async def _work(url: str, wanted: Wanted, whose: tuple[int, int], defaults: DefaultQuotas, say: Say) -> int:
    tenant, account = whose
    database = Database(DatabaseConfig(url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    await database.open()
    try:
        usage, set_quota = Usage(database, defaults), SetQuota(database)
        if account != WHOLE_TENANT and not await usage.knows(tenant, account):
            raise LookupError(account)
        if wanted.action == "set":
            quota = _changed(await usage.quota(tenant, account), wanted)
            await set_quota(tenant=tenant, account=account, quota=quota, by=CONSOLE)
        elif wanted.action == "clear":
            await set_quota(tenant=tenant, account=account, quota=None, by=CONSOLE)
        now = await usage.standing(tenant, account)
    finally:
        await database.close()
    say(f"bytes:  {now.kept.bytes:,} of {_limit(now.quota.max_bytes)}")
    say(f"images: {now.kept.images:,} of {_limit(now.quota.max_images)}")
    return 0


def _changed(quota: Quota, wanted: Wanted) -> Quota:
    if wanted.bytes is not None:
        quota = replace(quota, max_bytes=None if wanted.bytes == NOTHING else size(wanted.bytes))
    if wanted.images is not None:
        quota = replace(quota, max_images=None if wanted.images == NOTHING else whole(0, 1 << 62)(wanted.images))
    return quota


def _limit(most: int | None) -> str:
    return "any number" if most is None else f"{most:,}"
