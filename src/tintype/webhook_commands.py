"""`tintype webhook`: look at webhooks and at what was given up, send it again, switch webhooks on and off."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tintype.bootstrap.webhooks import sender_again, webhook_changer
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.tenants import every_tenant, slug_of
from tintype.db.webhook_deliveries import Delivery, dead_deliveries
from tintype.db.webhooks import list_webhooks
from tintype.domain.audit import CONSOLE
from tintype.domain.errors import Problem
from tintype.domain.ids import BadId, parse_public_id, public_id
from tintype.domain.webhook import EVENT_PREFIX, WEBHOOK_PREFIX, DisabledReason, Webhook
from tintype.settings import Settings

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

PAGE: Final = 100
_ABOVE_ALL: Final = (1 << 63) - 1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WantedOfWebhooks:
    """What is to be done (`list`, `dead`, `redeliver`, `enable`, `disable`), with which ids, of which tenant or all."""

    action: str
    ids: Sequence[str]
    tenant: str | None


def work_on_webhooks(settings: Settings, database_url: str, wanted: WantedOfWebhooks, say: Say, complain: Say) -> int:
    """Do it, and return the exit status: 1 when something could not be done."""
    return asyncio.run(_work(settings, database_url, wanted, say, complain))


async def _work(settings: Settings, database_url: str, wanted: WantedOfWebhooks, say: Say, complain: Say) -> int:
    database = Database(DatabaseConfig(database_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    await database.open()
    try:
        tenants = [found async for found in _tenants(database, wanted.tenant)]
        if not tenants:
            complain(f"There is no tenant {wanted.tenant!r}.")
            return 1
        if wanted.action == "list":
            await _list(database, tenants, say)
        elif wanted.action == "dead":
            async for slug, delivery in _dead(database, tenants):
                say(_line_of_delivery(delivery, slug))
        elif wanted.action == "redeliver":
            return await _redeliver(database, tenants, wanted.ids, say, complain)
        else:
            return await _switch(settings, database, tenants, wanted, say, complain)
    except Problem as problem:
        complain(problem.detail)
        return 1
    finally:
        await database.close()
    return 0


Named = tuple[int, str]
"""A tenant, and what it is called."""


async def _tenants(database: Database, slug: str | None) -> AsyncIterator[Named]:
    async for tenant in every_tenant(database):
        async with database.transaction(tenant) as connection:
            called = await slug_of(connection)
        if slug in {None, called}:
            yield tenant, called


async def _list(database: Database, tenants: Sequence[Named], say: Say) -> None:
    for tenant, slug in tenants:
        async with database.transaction(tenant) as connection:
            found = await list_webhooks(connection, tenant=tenant, before=_ABOVE_ALL, limit=PAGE)
        for webhook in found:
            say(_line(webhook, slug))


def _line(webhook: Webhook, slug: str) -> str:
    state = "on" if webhook.enabled else f"off ({webhook.disabled_reason})"
    since = webhook.failing_since
    failing = f"failing since {since.isoformat(timespec='seconds')}" if since is not None else "-"
    name = public_id(WEBHOOK_PREFIX, webhook.id)
    return "  ".join((name, slug, state, failing, ",".join(webhook.events), webhook.url))


async def _dead(database: Database, tenants: Sequence[Named]) -> AsyncIterator[tuple[str, Delivery]]:
    for tenant, slug in tenants:
        before, page = (_ABOVE_ALL, _ABOVE_ALL), PAGE
        while page == PAGE:
            async with database.transaction(tenant) as connection:
                found = await dead_deliveries(connection, tenant=tenant, before=before, limit=PAGE)
            for delivery in found:
                yield slug, delivery
            page = len(found)
            before = (found[-1].event, found[-1].webhook) if found else before


def _line_of_delivery(delivery: Delivery, slug: str) -> str:
    return "  ".join(
        (
            public_id(EVENT_PREFIX, delivery.event),
            public_id(WEBHOOK_PREFIX, delivery.webhook),
            slug,
            delivery.type,
            f"{delivery.attempts} attempts",
            delivery.error or "-",
            delivery.occurred_at.isoformat(timespec="seconds"),
        )
    )


async def _redeliver(database: Database, tenants: Sequence[Named], ids: Sequence[str], say: Say, complain: Say) -> int:
    """Send again what was given up: what is named, of every webhook that was to hear of it, or everything."""
    send_again, done, failed = sender_again(database, DatabaseClock(database)), 0, 0
    slugs = {slug: tenant for tenant, slug in tenants}
    for slug, delivery in [found async for found in _dead(database, tenants)]:
        name = public_id(EVENT_PREFIX, delivery.event)
        if ids and name not in ids:
            continue
        try:
            await send_again(slugs[slug], delivery.webhook, delivery.event)
        except Problem as problem:
            complain(f"{name} to {public_id(WEBHOOK_PREFIX, delivery.webhook)}: {problem.detail}")
            failed += 1
        else:
            done += 1
    say(f"{done} {'event is' if done == 1 else 'events are'} sent again.")
    return 1 if failed or (ids and not done) else 0


async def _switch(
    settings: Settings,
    database: Database,
    tenants: Sequence[Named],
    wanted: WantedOfWebhooks,
    say: Say,
    complain: Say,
) -> int:
    change, failed = webhook_changer(settings, database), 0
    reason = DisabledReason.REQUEST if wanted.action == "disable" else None
    for name in wanted.ids:
        done = False
        for tenant, _ in tenants:
            try:
                meant = parse_public_id(WEBHOOK_PREFIX, name)
                await change(tenant, meant, lambda old: replace(old, disabled_reason=reason), by=CONSOLE)
            except (BadId, Problem):
                continue
            done = True
            say(f"{name} is {'on' if reason is None else 'off: what waited for it is given up'}.")
        if not done:
            complain(f"{name}: there is no such webhook.")
            failed += 1
    return 1 if failed else 0
