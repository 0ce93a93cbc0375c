"""The stories of a webhook that is changed, given another secret, or deleted.

Each holds the webhook's row, so that a delivery that ends meanwhile finds it as it is then. Switched off, what waited
for it is given up, visibly; deleted, everything of it is gone. A rotation that is repeated with its Idempotency-Key
gets the same secret: one rotation more would end the secret that the receiver still knows.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from tintype.db.audit import record
from tintype.db.idempotency import answered_before, keep_or_undo, undone_once
from tintype.db.pool import Connection, Database
from tintype.db.webhook_deliveries import delete_deliveries, give_up_pending
from tintype.db.webhooks import delete_webhook, get_webhook, rotate_webhook_secret, update_webhook
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import SecretAttempt
from tintype.domain.ids import public_id
from tintype.domain.webhook import SECRET_BYTES, SWITCHED_OFF, WEBHOOK_PREFIX, Webhook, derive_secret, no_webhook
from tintype.storage.sealing import Sealer

_CHANGED: Final = ("url", "description", "events", "enabled")


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A webhook and the secret that it has now; `again` says that an earlier attempt made it."""

    webhook: Webhook
    secret: bytes = field(repr=False)
    again: bool


class ChangeWebhook:
    """Changes webhooks of one tenant."""

    def __init__(self, *, database: Database, sealer: Sealer, server_key: bytes) -> None:
        self._database = database
        self._sealer = sealer
        self._server_key = server_key

    async def __call__(
        self,
        tenant: int,
        webhook: int,
        change: Callable[[Webhook], Webhook],
        *,
        by: Requester,
        expected: frozenset[str] | None = None,
    ) -> Webhook:
        """Return the webhook after `change`; `Problem` not_found, or precondition_failed by `If-Match`."""
        async with self._database.transaction(tenant) as connection:
            old = await _locked(connection, tenant, webhook, expected)
            new = change(old)
            changed = [name for name in _CHANGED if getattr(new, name) != getattr(old, name)]
            if not changed:
                return old
            if new.enabled and not old.enabled:
                new = replace(new, failing_since=None)
            await update_webhook(connection, replace(new, revision=old.revision + 1))
            if old.enabled and not new.enabled:
                await give_up_pending(connection, webhook=webhook, error=SWITCHED_OFF)
            await record(connection, _entry(Action.WEBHOOK_CHANGED, webhook, by, changed=", ".join(changed)))
            return await _there(connection, tenant, webhook)

    async def rotate(
        self, tenant: int, webhook: int, *, keep_old: timedelta, by: Requester, repeatable: SecretAttempt | None
    ) -> RotatedSecret:
        """Give the webhook another secret; the one that it had signs beside it for `keep_old`. `Problem` not_found."""
        return await undone_once(lambda: self._rotate(tenant, webhook, keep_old, by, repeatable))

    async def _rotate(
        self, tenant: int, webhook: int, keep_old: timedelta, by: Requester, repeatable: SecretAttempt | None
    ) -> RotatedSecret:
        attempt = repeatable.attempt if repeatable is not None else None
        async with self._database.transaction(tenant) as connection:
            old = await _locked(connection, tenant, webhook, None)
            secret = self._draw(webhook, repeatable)
            if await answered_before(connection, tenant=tenant, attempt=attempt) is not None:
                return RotatedSecret(old, secret, again=True)
            sealed = self._sealer.seal(secret, "webhooks", tenant, webhook)
            await rotate_webhook_secret(connection, webhook, tenant=tenant, secret=sealed, keep_old=keep_old)
            await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=webhook)
            seconds = round(keep_old.total_seconds())
            await record(connection, _entry(Action.WEBHOOK_SECRET_ROTATED, webhook, by, old_seconds=seconds))
            return RotatedSecret(await _there(connection, tenant, webhook), secret, again=False)

    def _draw(self, webhook: int, repeatable: SecretAttempt | None) -> bytes:
        if repeatable is None:
            return secrets.token_bytes(SECRET_BYTES)
        return derive_secret(self._server_key, webhook, f"rotated/{repeatable.text}")

    async def delete(self, tenant: int, webhook: int, *, by: Requester) -> None:
        """Forget the webhook and everything that it was told; `Problem` not_found."""
        async with self._database.transaction(tenant) as connection:
            await _locked(connection, tenant, webhook, None)
            await delete_deliveries(connection, webhook=webhook)
            await delete_webhook(connection, webhook, tenant=tenant)
            await record(connection, _entry(Action.WEBHOOK_DELETED, webhook, by))


async def _locked(connection: Connection, tenant: int, webhook: int, expected: frozenset[str] | None) -> Webhook:
    found = await get_webhook(connection, webhook, tenant=tenant, lock=True)
    if found is None:
        raise no_webhook()
    if expected is not None and found.etag not in expected:
        raise Problem(Code.PRECONDITION_FAILED, "The webhook has changed since you read it. Read it again.")
    return found


async def _there(connection: Connection, tenant: int, webhook: int) -> Webhook:
    found = await get_webhook(connection, webhook, tenant=tenant)
    if found is None:
        raise LookupError(f"webhook {webhook} is locked by us and cannot be gone")
    return found


def _entry(action: Action, webhook: int, by: Requester, **detail: str | int) -> Entry:
    return Entry(action=action, by=by, object=public_id(WEBHOOK_PREFIX, webhook), detail=detail)
