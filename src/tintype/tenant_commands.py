"""`tintype tenant` and `tintype key`: the same stories as over HTTP, for whoever may run commands on the machine."""

import argparse
import asyncio
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.actor import EVERY_SCOPE, Actor, Scope
from tintype.domain.audit import CONSOLE
from tintype.domain.ids import KEY_PREFIX, TENANT_PREFIX, BadId, parse_public_id, public_id
from tintype.domain.tenant import Tenant, resumed, suspended
from tintype.kind_settings import NAMED_TABLES
from tintype.reads.api_keys import ApiKeys
from tintype.reads.tenant_list import TenantList
from tintype.settings import Settings
from tintype.settings_values import duration
from tintype.usecases.change_tenant import ChangeTenant
from tintype.usecases.create_tenant import CreateTenant
from tintype.usecases.revoke_api_key import RevokeApiKey
from tintype.web.tenant_fields import changed_tenant, new_tenant

PAGE: Final = 100
"""Rows that are asked for at once."""

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

_ABOVE_ALL: Final = (1 << 63) - 1
_SWITCHES: Final = {"on": True, "off": False, "default": None}

Say = Callable[[str], None]


class BadWords(Exception):
    """The command's words do not say what to do; the text says why."""


def work_on_tenants(settings: Settings, database_url: str, options: argparse.Namespace, say: Say) -> int:
    """Make, list, change, suspend or resume tenants; `BadWords` and `Problem` for what cannot be done."""
    return asyncio.run(_with(settings, database_url, lambda console: console.tenants(options, say)))


def work_on_keys(settings: Settings, database_url: str, options: argparse.Namespace, say: Say) -> int:
    """List or revoke API keys of a tenant; `BadWords` and `Problem` for what cannot be done."""
    return asyncio.run(_with(settings, database_url, lambda console: console.keys(options, say)))


async def _with(settings: Settings, url: str, work: Callable[["_Console"], Awaitable[None]]) -> int:
    async with _opened(url) as database:
        await work(_Console(settings, database, DatabaseClock(database)))
    return 0


@asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseConfig(database_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class _Console:
    """Whoever runs the command, in front of a database."""

    settings: Settings
    database: Database
    clock: DatabaseClock

    async def tenants(self, options: argparse.Namespace, say: Say) -> None:
        if options.action == "list":
            for tenant in await self._every_tenant():
                say(_tenant_line(tenant))
            return
        if options.slug is None:
            message = f"Name the tenant to {options.action}: tintype tenant {options.action} SLUG"
            raise BadWords(message)
        if options.action == "create":
            await self._create(options, say)
            return
        change = ChangeTenant(database=self.database, clock=self.clock)
        given, tables = _given(options), self.settings.kind_tables
        moves: dict[str, Callable[[Tenant], Tenant]] = {
            "suspend": suspended,
            "resume": resumed,
            "set": lambda old: changed_tenant(old, given, tables),
        }
        meant = await TenantList(self.database).named(options.slug)
        say(_tenant_line(await change(meant, moves[options.action], by=CONSOLE)))

    async def _create(self, options: argparse.Namespace, say: Say) -> None:
        wanted = new_tenant({"slug": options.slug, **_given(options)}, self.settings.kind_tables)
        create = CreateTenant(database=self.database, clock=self.clock, server_key=b"")
        made = await create(wanted, CONSOLE)
        if made.tenant is not None:
            say(_tenant_line(made.tenant))
        say(made.key.reveal())

    async def _every_tenant(self) -> list[Tenant]:
        found: list[Tenant] = []
        more = True
        while more:
            before = found[-1].id if found else _ABOVE_ALL
            page = await TenantList(self.database).page(before=before, limit=PAGE)
            found += page.tenants
            more = page.more
        return found

    async def keys(self, options: argparse.Namespace, say: Say) -> None:
        tenant = await TenantList(self.database).named(options.tenant)
        actor = Actor(tenant)  # as a key of the tenant itself, with every scope
        if options.action == "list":
            await self._list_keys(actor, say)
        else:
            await self._revoke_keys(actor, options, say)

    async def _list_keys(self, actor: Actor, say: Say) -> None:
        keys, before, more = ApiKeys(self.database), _ABOVE_ALL, True
        while more:
            page = await keys.page(actor, before=before, limit=PAGE)
            for key in page.keys:
                scopes = "every scope" if key.scopes == EVERY_SCOPE else ",".join(sorted(key.scopes))
                ends = f"until {_day(key.expires_at)}" if key.expires_at is not None else "for ever"
                used = f"used {_day(key.last_used_at)}" if key.last_used_at is not None else "never used"
                whose = "of an account" if key.account is not None else "of the tenant"
                say(f"{public_id(KEY_PREFIX, key.id)}  {key.name}  {whose}  {scopes}  {ends}  {used}")
            more, before = page.more, page.keys[-1].id if page.keys else 0

    async def _revoke_keys(self, actor: Actor, options: argparse.Namespace, say: Say) -> None:
        if not options.ids:
            raise BadWords("Name the keys to revoke: tintype key revoke key_…")
        for name in options.ids:
            try:
                key = parse_public_id(KEY_PREFIX, name)
            except BadId as error:
                message = f"{name}: this is no key; an id looks like key_ and 11 letters and digits."
                raise BadWords(message) from error
            await RevokeApiKey(self.database)(actor, key, CONSOLE)
            say(f"{name}: revoked.")


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the flags say of a tenant, as the body of a request would."""
    given: dict[str, Any] = {}
    if options.name is not None:
        given["name"] = options.name
    if options.hosts is not None:
        given["hostnames"] = options.hosts
    if options.origins is not None:
        given["origins"] = options.origins
    if options.anonymous_uploads is not None:
        given["anonymous_uploads"] = _SWITCHES[options.anonymous_uploads]
    return given | (_tables(options.kinds) if options.kinds is not None else {})


def _tables(file: Path) -> dict[str, Any]:
    """Return the tables of a file, with null for those that it has not: it says all that the tenant has."""
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{file}: cannot be read: {error}"
        raise BadWords(message) from error
    return dict.fromkeys(NAMED_TABLES) | read


def wanted_scopes(text: str | None) -> frozenset[Scope] | None:
    """Return the scopes that a text with commas names, None without one; `BadWords` for one that there is not."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in EVERY_SCOPE]
    if unknown or not names:
        known = ", ".join(sorted(EVERY_SCOPE))
        message = f"--scopes: there is no scope {', '.join(unknown) or text!r}; there are {known}."
        raise BadWords(message)
    return frozenset(map(Scope, names))


def wanted_lifetime(text: str | None) -> timedelta | None:
    """Return how long a key is to live, None for ever; `BadWords` for a text that is no time."""
    try:
        return duration(text)
    except ValueError as error:
        message = f"--expires: {text!r} {error}."
        raise BadWords(message) from error


def _tenant_line(tenant: Tenant) -> str:
    hosts = " ".join(tenant.hostnames) or "no host"
    return f"{public_id(TENANT_PREFIX, tenant.id)}  {tenant.slug}  {tenant.state}  {hosts}  {tenant.name}"


def _day(time: datetime) -> str:
    return time.date().isoformat()
