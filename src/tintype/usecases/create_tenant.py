"""The story of a new tenant: its row, its host names and a first key of its own, in one transaction.

A request with an Idempotency-Key leaves its answer there too, without the key's secret, which derives from what the
client chose: a repetition gets the same tenant and key again. How it fails: a slug or a host name that is another's is
a conflict, and nothing is kept.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tintype.db.api_keys import ApiKey, insert_key
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import find_answer, keep_answer
from tintype.db.pool import Clash, Connection, Database, enter_tenant
from tintype.db.tenant_rows import insert_tenant, take_hostnames, tenant_by_slug
from tintype.domain.api_key import FIRST_KEY_SCOPES
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, answer_again
from tintype.domain.ids import TENANT_PREFIX, public_id
from tintype.domain.tenant import Tenant, refuse_taken
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token, derive_key

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""

FIRST_KEY_NAME: Final = "first key"


@dataclass(frozen=True, slots=True)
class RepeatableTenant:
    """What makes the request repeatable: its key and fingerprint, the text of the key, how the answer is written."""

    attempt: Attempt
    text: str
    answer: Callable[[Tenant], str]


@dataclass(frozen=True, slots=True)
class MadeTenant:
    """A new tenant and its first key; `answer` is what was kept of it, when it was made before."""

    tenant: Tenant | None
    key: Token
    answer: str | None = None


class _AnsweredMeanwhile(Exception):
    """Another attempt with the same Idempotency-Key came first; what this one wrote is rolled back."""


class CreateTenant:
    """Makes tenants."""

    def __init__(self, *, database: Database, clock: DatabaseClock, server_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._server_key = server_key

    async def __call__(self, wanted: Tenant, by: Requester, repeatable: RepeatableTenant | None = None) -> MadeTenant:
        """Return the tenant that is like `wanted`, with an id and times of its own; `Problem` conflict."""
        await self._clock.refresh()
        for _ in range(ID_ATTEMPTS):
            if repeatable is not None and by.actor is not None:
                repeated = await self._repeat(by.actor.tenant, repeatable)
                if repeated is not None:
                    return repeated
            tenant_id, now = self._clock.new_id(), self._clock.now()
            tenant = replace(wanted, id=tenant_id, revision=1, created_at=now, updated_at=now)
            try:
                async with self._database.transaction(tenant.id) as connection:
                    return await self._made(connection, tenant, by, repeatable)
            except (Clash, _AnsweredMeanwhile):
                continue
        raise Problem(Code.UNAVAILABLE, "No id could be found for this tenant. Try again in a moment.", retry_after=1)

    async def _repeat(self, tenant: int, repeatable: RepeatableTenant) -> MadeTenant | None:
        async with self._database.transaction(tenant) as connection:
            kept = await find_answer(connection, tenant=tenant, key=repeatable.attempt.key)
        if kept is None:
            return None
        answer = answer_again(repeatable.attempt, kept)
        return MadeTenant(None, derive_key(self._server_key, kept.image, repeatable.text), answer)

    async def _made(
        self, connection: Connection, tenant: Tenant, by: Requester, repeatable: RepeatableTenant | None
    ) -> MadeTenant:
        if await tenant_by_slug(connection, tenant.slug) is not None:
            raise Problem(Code.CONFLICT, f"There is a tenant {tenant.slug!r} already.")
        await insert_tenant(connection, tenant)
        refuse_taken(await take_hostnames(connection, tenant=tenant.id, hosts=tenant.hostnames))
        token = self._draw(repeatable)
        key = ApiKey(token.id, FIRST_KEY_NAME, FIRST_KEY_SCOPES, None, tenant.created_at, None, None)
        await insert_key(connection, key, tenant=tenant.id, secret_hash=token.hash)
        entry = Entry(action=Action.TENANT_CREATED, by=by, object=public_id(TENANT_PREFIX, tenant.id))
        await record(connection, entry)
        if by.actor is not None:
            await enter_tenant(connection, by.actor.tenant)
            await record(connection, entry)
            await self._keep(connection, by.actor.tenant, tenant, token, repeatable)
        return MadeTenant(tenant, token)

    async def _keep(
        self, connection: Connection, asker: int, tenant: Tenant, token: Token, repeatable: RepeatableTenant | None
    ) -> None:
        if repeatable is None:
            return
        answer = repeatable.answer(tenant)
        if not await keep_answer(connection, tenant=asker, attempt=repeatable.attempt, image=token.id, answer=answer):
            raise _AnsweredMeanwhile

    def _draw(self, repeatable: RepeatableTenant | None) -> Token:
        if repeatable is None:
            return Token(Purpose.API_KEY, self._clock.new_id(), secrets.token_bytes(SECRET_BYTES))
        return derive_key(self._server_key, self._clock.new_id(repeatable.attempt.key.bucket), repeatable.text)
