"""The story of a new webhook: its secret is shown once, and kept sealed, for it signs every event.

A request with an Idempotency-Key leaves its answer in the webhook's own transaction, without the secret; that derives
from what the client chose, as an API key's does, so that a repetition gets it again and makes no other webhook.
How it fails: nothing is kept of a webhook that is one too many.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.pool import Clash, Connection, Database
from tintype.db.webhooks import count_webhooks, insert_webhook
from tintype.domain.actor import Actor
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import SecretAttempt
from tintype.domain.ids import public_id
from tintype.domain.webhook import (
    MAX_WEBHOOKS,
    SECRET_BYTES,
    WEBHOOK_PREFIX,
    DisabledReason,
    Webhook,
    derive_secret,
)
from tintype.storage.sealing import Sealer

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""


@dataclass(frozen=True, slots=True)
class WantedWebhook:
    """What is to be made."""

    url: str
    description: str | None
    events: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, slots=True)
class RepeatableWebhook:
    """What makes the request repeatable: the attempt, and how its answer is written, without the secret."""

    attempt: SecretAttempt
    answer: Callable[[Webhook], str]


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """A webhook and its secret; `answer` is what was kept of it, when it was made before."""

    webhook: Webhook | None
    secret: bytes
    answer: str | None


class CreateWebhook:
    """Makes webhooks."""

    def __init__(self, *, database: Database, clock: DatabaseClock, sealer: Sealer, server_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._server_key = server_key

    async def __call__(
        self, actor: Actor, wanted: WantedWebhook, by: Requester, repeatable: RepeatableWebhook | None = None
    ) -> MadeWebhook:
        """Return the webhook of the actor's tenant; `Problem` conflict for one too many."""
        await self._clock.refresh()
        for _ in range(ID_ATTEMPTS):
            try:
                async with self._database.transaction(actor.tenant) as connection:
                    return await self._made(connection, actor.tenant, wanted, by, repeatable)
            except (Clash, AnsweredMeanwhile):
                continue
        raise Problem(Code.UNAVAILABLE, "No id could be found for this webhook. Try again in a moment.", retry_after=1)

    async def _made(
        self,
        connection: Connection,
        tenant: int,
        wanted: WantedWebhook,
        by: Requester,
        repeatable: RepeatableWebhook | None,
    ) -> MadeWebhook:
        again = repeatable.attempt if repeatable is not None else None
        attempt = again.attempt if again is not None else None
        kept = await answered_before(connection, tenant=tenant, attempt=attempt)
        if kept is not None and again is not None:
            return MadeWebhook(None, derive_secret(self._server_key, kept.image, again.text), kept.answer)
        if await count_webhooks(connection, tenant=tenant) >= MAX_WEBHOOKS:
            raise Problem(Code.CONFLICT, f"There are {MAX_WEBHOOKS} webhooks already. Delete one that is not used.")
        webhook, secret = self._draw(tenant, wanted, again)
        await insert_webhook(connection, webhook)
        answer = repeatable.answer(webhook) if repeatable is not None else ""
        await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=webhook.id, answer=answer)
        detail = {"events": " ".join(webhook.events)}
        made = Entry(action=Action.WEBHOOK_CREATED, by=by, object=public_id(WEBHOOK_PREFIX, webhook.id), detail=detail)
        await record(connection, made)
        return MadeWebhook(webhook, secret, None)

    def _draw(self, tenant: int, wanted: WantedWebhook, again: SecretAttempt | None) -> tuple[Webhook, bytes]:
        webhook_id = self._clock.new_id(again.attempt.key.bucket if again is not None else None)
        if again is None:
            secret = secrets.token_bytes(SECRET_BYTES)
        else:
            secret = derive_secret(self._server_key, webhook_id, again.text)
        now = self._clock.now()
        webhook = Webhook(
            tenant=tenant,
            id=webhook_id,
            url=wanted.url,
            description=wanted.description,
            events=wanted.events,
            disabled_reason=None if wanted.enabled else DisabledReason.REQUEST,
            secret=self._sealer.seal(secret, "webhooks", tenant, webhook_id),
            old_secret=None,
            old_secret_until=None,
            failing_since=None,
            revision=1,
            created_at=now,
            updated_at=now,
        )
        return webhook, secret
