"""The story of a new API key: it is told once, and only a hash of it is kept.

A request with an Idempotency-Key leaves its answer in the key's own transaction, without the secret; that derives from
what the client chose, so that a repetition whose first answer was lost gets the same key again, and makes no other.
How it fails: an actor who may not give these scopes is refused, and nothing is kept.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tintype.db.api_keys import ApiKey, count_keys, get_key, insert_key
from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import find_answer, keep_answer
from tintype.db.pool import Clash, Connection, Database
from tintype.domain.actor import Actor, Scope
from tintype.domain.api_key import MAX_KEYS, refuse_longer_life, refuse_unless_grantable
from tintype.domain.audit import Action, Entry, Requester, key_object
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, answer_again
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token, derive_key

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""


@dataclass(frozen=True, slots=True)
class WantedKey:
    """What is to be made. `account` is whose it is to be; None: the tenant's."""

    name: str
    scopes: frozenset[Scope]
    account: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class RepeatableKey:
    """What makes the request repeatable: its key and fingerprint, the text of the key, how the answer is written."""

    attempt: Attempt
    text: str
    answer: Callable[[ApiKey], str]


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key and what the client keeps of it; `answer` is what was kept of it, when it was made before."""

    key_id: int
    token: Token
    key: ApiKey | None
    answer: str | None


class _AnsweredMeanwhile(Exception):
    """Another attempt with the same Idempotency-Key came first; what this one wrote is rolled back."""


class CreateApiKey:
    """Makes keys."""

    def __init__(self, *, database: Database, clock: DatabaseClock, server_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._server_key = server_key

    async def __call__(
        self, actor: Actor, wanted: WantedKey, by: Requester, repeatable: RepeatableKey | None = None
    ) -> MadeKey:
        """Return the key; `Problem` auth.forbidden for what the actor may not give, conflict for one too many."""
        refuse_unless_grantable(actor, wanted.scopes, of_tenant=wanted.account is None)
        await self._clock.refresh()
        for _ in range(ID_ATTEMPTS):
            try:
                async with self._database.transaction(actor.tenant) as connection:
                    made = await self._made(connection, actor, wanted, repeatable)
                    if made.key is not None:
                        await record(connection, _entry(made.key, by))
                    return made
            except (Clash, _AnsweredMeanwhile):
                continue
        raise Problem(Code.UNAVAILABLE, "No id could be found for this key. Try again in a moment.", retry_after=1)

    async def _made(
        self, connection: Connection, actor: Actor, wanted: WantedKey, repeatable: RepeatableKey | None
    ) -> MadeKey:
        if repeatable is not None:
            kept = await find_answer(connection, tenant=actor.tenant, key=repeatable.attempt.key)
            if kept is not None:
                answer = answer_again(repeatable.attempt, kept)
                return MadeKey(kept.image, derive_key(self._server_key, kept.image, repeatable.text), None, answer)
        await self._refuse_excess(connection, actor, wanted)
        token = self._draw(repeatable)
        key = ApiKey(token.id, wanted.name, wanted.scopes, wanted.account, self._clock.now(), wanted.expires_at, None)
        await insert_key(connection, key, tenant=actor.tenant, secret_hash=token.hash)
        if repeatable is not None:
            attempt, answer = repeatable.attempt, repeatable.answer(key)
            if not await keep_answer(connection, tenant=actor.tenant, attempt=attempt, image=key.id, answer=answer):
                raise _AnsweredMeanwhile
        return MadeKey(key.id, token, key, None)

    async def _refuse_excess(self, connection: Connection, actor: Actor, wanted: WantedKey) -> None:
        if wanted.expires_at is not None and wanted.expires_at <= self._clock.now():
            raise Problem(Code.CONFLICT, "This key would have expired before it is made. Name a later time.")
        if actor.key is not None:
            maker = await get_key(connection, actor.key, tenant=actor.tenant)
            refuse_longer_life(wanted.expires_at, maker_expires_at=maker.expires_at if maker else None)
        if await count_keys(connection, tenant=actor.tenant, account=wanted.account) >= MAX_KEYS:
            raise Problem(Code.CONFLICT, f"There are {MAX_KEYS} keys already. Revoke one that is not used any more.")

    def _draw(self, repeatable: RepeatableKey | None) -> Token:
        if repeatable is None:
            return Token(Purpose.API_KEY, self._clock.new_id(), secrets.token_bytes(SECRET_BYTES))
        return derive_key(self._server_key, self._clock.new_id(repeatable.attempt.key.bucket), repeatable.text)


def _entry(key: ApiKey, by: Requester) -> Entry:
    detail = {"scopes": " ".join(sorted(key.scopes))}
    return Entry(action=Action.KEY_CREATED, by=by, account=key.account, object=key_object(key.id), detail=detail)
