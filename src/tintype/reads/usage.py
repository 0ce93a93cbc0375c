"""What a tenant or an account keeps, may keep, and did on each day; and whether there is room for another upload.

What there is now is remembered for a moment, so that uploads are refused before their bodies are read at no cost worth
naming. It is a courtesy: the commit decides (`db/usage.py`). Nobody is refused by what is remembered, only by what the
database says then.
"""

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from tintype.db.pool import Database
from tintype.db.usage import Day, Standing, daily_usage, get_quota, is_account, standing
from tintype.domain.quota import WHOLE_TENANT, DefaultQuotas, Holder, Quota, exceeded

REMEMBER_SECONDS: Final = 2.0
"""How long somebody who has room is believed to have it: what they send meanwhile is refused by the commit."""

REMEMBERED: Final = 10_000
"""Tenants and accounts; past so many the memory begins anew."""


@dataclass(frozen=True, slots=True)
class Report:
    """What there is now, what there may be, and each day that was asked for, the oldest first."""

    now: Standing
    days: list[tuple[date, Day]]


class Usage:
    """Reads what is counted."""

    def __init__(self, database: Database, defaults: DefaultQuotas) -> None:
        """`defaults` hold for whom no quota was set."""
        self._database = database
        self._defaults = defaults
        self._roomy: dict[tuple[int, int], float] = {}

    async def report(self, tenant: int, account: int, *, first: date, last: date) -> Report:
        """Return the report of an account, or of the tenant as a whole, for the days from `first` to `last`."""
        async with self._database.transaction(tenant) as connection:
            now = await standing(connection, tenant=tenant, account=account, default=self._default(account))
            counted = await daily_usage(connection, tenant=tenant, account=account, first=first, last=last)
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return Report(now, [(day, counted.get(day, Day())) for day in days])

    async def standing(self, tenant: int, account: int) -> Standing:
        """Return what the account, or the tenant as a whole, keeps and may keep."""
        async with self._database.transaction(tenant) as connection:
            return await standing(connection, tenant=tenant, account=account, default=self._default(account))

    async def quota(self, tenant: int, account: int) -> Quota:
        """Return what the account, or the tenant as a whole, may keep."""
        async with self._database.transaction(tenant) as connection:
            found = await get_quota(connection, tenant=tenant, account=account)
        return self._default(account) if found is None else found

    async def knows(self, tenant: int, account: int) -> bool:
        """Return whether the tenant has such an account."""
        async with self._database.transaction(tenant) as connection:
            return await is_account(connection, account)

    async def refuse_if_full(self, tenant: int, account: int | None) -> None:
        """Raise `Problem` quota.exceeded when not one byte, or not one image, is left to the tenant or the account."""
        for holder in (WHOLE_TENANT, account):
            if holder is not None and self._roomy.get((tenant, holder), 0.0) < time.monotonic():
                await self._look(tenant, holder)

    async def _look(self, tenant: int, account: int) -> None:
        found = await self.standing(tenant, account)
        unit = found.quota.full(has_bytes=found.kept.bytes, has_images=found.kept.images)
        if unit is not None:
            raise exceeded(Holder.TENANT if account == WHOLE_TENANT else Holder.ACCOUNT, unit)
        if len(self._roomy) >= REMEMBERED:
            self._roomy.clear()
        self._roomy[tenant, account] = time.monotonic() + REMEMBER_SECONDS

    def _default(self, account: int) -> Quota:
        return self._defaults.tenant if account == WHOLE_TENANT else self._defaults.account
