"""`tintype audit`: the audit log at the terminal, newest first, as it is or as JSON lines for another system."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from tintype.db.audit import AuditFilter, AuditRow
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.tenants import every_tenant, slug_of
from tintype.domain.audit import Action
from tintype.reads.audit import AuditLog, audit_actor, audit_object
from tintype.web.audit_json import AuditEntryJson, present_entry

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEntries:
    """What was asked for, as it was written: which tenant (None: every one), which entries, how many of the newest."""

    tenant: str | None = None
    action: str | None = None
    actor: str | None = None
    named: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int | None = None
    as_json: bool = False

    def filter(self) -> AuditFilter:
        """Return which entries are wanted; ValueError or `Problem` for what cannot be read."""
        who = audit_actor(self.actor)
        return AuditFilter(
            action=_action(self.action),
            actor=who.actor,
            key=who.key,
            object=audit_object(self.named),
            since=_moment(self.since),
            until=_moment(self.until),
        )


def show_audit(database_url: str, wanted: WantedEntries, say: Say, complain: Say) -> int:
    """Say the entries, tenant by tenant, and return the exit status: 1 without such a tenant, 2 for bad words."""
    try:
        filtered = wanted.filter()
    except ValueError as error:
        complain(str(error))
        return 2
    return asyncio.run(_show(database_url, wanted, filtered, say, complain))


async def _show(database_url: str, wanted: WantedEntries, filtered: AuditFilter, say: Say, complain: Say) -> int:
    database = Database(DatabaseConfig(database_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    await database.open()
    found = False
    try:
        async for tenant in every_tenant(database):
            async with database.transaction(tenant) as connection:
                slug = await slug_of(connection)
            if wanted.tenant in {None, slug}:
                found = True
                async for row in _rows(AuditLog(database), tenant, filtered, wanted.limit):
                    say(_line(row, slug, as_json=wanted.as_json))
    finally:
        await database.close()
    if not found:
        complain(f"There is no tenant {wanted.tenant!r}.")
    return 0 if found else 1


async def _rows(log: AuditLog, tenant: int, wanted: AuditFilter, limit: int | None) -> AsyncIterator[AuditRow]:
    left = limit
    async for page in log.everything(tenant=tenant, wanted=wanted):
        for row in page[:left]:
            yield row
        if left is not None:
            left -= len(page)
            if left <= 0:
                return


def _line(row: AuditRow, slug: str, *, as_json: bool) -> str:
    entry = present_entry(row)
    if as_json:
        return msgspec.json.encode({"tenant": slug, **msgspec.to_builtins(entry)}).decode()
    words = (entry.at, slug, f"{entry.action:<26}", entry.result, _who(entry), entry.address or "-")
    detail = " ".join(f"{name}={value}" for name, value in entry.detail.items())
    return "  ".join((*words, entry.object or "-", detail)).rstrip()


def _who(entry: AuditEntryJson) -> str:
    by_key = f" by {entry.actor.key}" if entry.actor.key not in {None, entry.actor.id} else ""
    return (entry.actor.id or entry.actor.type) + by_key


def _action(text: str | None) -> Action | None:
    if text is None or text in set(Action):
        return Action(text) if text is not None else None
    raise ValueError(f"There is no action {text!r}; there are {', '.join(Action)}.")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write one such as 2026-11-20 or 2026-11-20T16:00:00Z.") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
