"""Webhooks of a tenant, in a reference table: no bucket. Their secrets are sealed."""

from datetime import datetime, timedelta
from typing import Any, Final

from tintype.db.pool import Connection
from tintype.domain.webhook import DisabledReason, Webhook

_COLUMNS: Final = """tenant, id, url, description, events, disabled_reason, secret, old_secret, old_secret_until,
    failing_since, revision, created_at, updated_at"""


async def insert_webhook(connection: Connection, webhook: Webhook) -> None:
    """Write a new webhook; `Clash` when its id is taken."""
    await connection.execute(
        """INSERT INTO webhooks (tenant, id, url, description, events, enabled, disabled_reason, secret, created_at,
               updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            webhook.tenant,
            webhook.id,
            webhook.url,
            webhook.description,
            list(webhook.events),
            webhook.enabled,
            webhook.disabled_reason,
            webhook.secret,
            webhook.created_at,
            webhook.updated_at,
        ],
    )


async def get_webhook(connection: Connection, webhook: int, *, tenant: int, lock: bool = False) -> Webhook | None:
    """Return the tenant's webhook, None when there is none; locked, until the transaction ends, for who changes it."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM webhooks WHERE tenant = %s AND id = %s{' FOR NO KEY UPDATE' if lock else ''}".encode(),  # noqa: S608 -- constants
        [tenant, webhook],
    )
    row = await cursor.fetchone()
    return _webhook(row) if row else None


async def list_webhooks(connection: Connection, *, tenant: int, before: int, limit: int) -> tuple[Webhook, ...]:
    """Return the tenant's webhooks below `before`, newest first."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM webhooks WHERE tenant = %s AND id < %s ORDER BY id DESC LIMIT %s".encode(),  # noqa: S608 -- constants
        [tenant, before, limit],
    )
    return tuple(_webhook(row) for row in await cursor.fetchall())


async def enabled_webhooks(connection: Connection, *, tenant: int) -> tuple[Webhook, ...]:
    """Return the tenant's webhooks that are told of events; none of a tenant that is suspended.

    Until the transaction ends none of them is switched off or deleted: what is written for it would wait for nobody.
    """
    cursor = await connection.execute(
        f"""SELECT {_COLUMNS} FROM webhooks WHERE tenant = %s AND enabled
                AND EXISTS (SELECT FROM tenants WHERE id = webhooks.tenant AND state = 'active')
            FOR SHARE OF webhooks""".encode(),  # noqa: S608 -- constants
        [tenant],
    )
    return tuple(_webhook(row) for row in await cursor.fetchall())


async def count_webhooks(connection: Connection, *, tenant: int) -> int:
    """Return how many the tenant has."""
    cursor = await connection.execute("SELECT count(*) FROM webhooks WHERE tenant = %s", [tenant])
    row = await cursor.fetchone()
    return row[0] if row else 0


async def update_webhook(connection: Connection, webhook: Webhook) -> None:
    """Write what the webhook is now, but for its secrets. The caller holds its lock."""
    await connection.execute(
        """UPDATE webhooks SET url = %s, description = %s, events = %s, enabled = %s, disabled_reason = %s,
               failing_since = %s, revision = %s, updated_at = now()
           WHERE tenant = %s AND id = %s""",
        [
            webhook.url,
            webhook.description,
            list(webhook.events),
            webhook.enabled,
            webhook.disabled_reason,
            webhook.failing_since,
            webhook.revision,
            webhook.tenant,
            webhook.id,
        ],
    )


async def rotate_webhook_secret(
    connection: Connection, webhook: int, *, tenant: int, secret: bytes, keep_old: timedelta
) -> None:
    """Give the webhook another secret (sealed); the one that it had goes on signing for `keep_old`."""
    await connection.execute(
        """UPDATE webhooks SET old_secret = CASE WHEN %(keep)s > interval '0' THEN secret END,
               old_secret_until = CASE WHEN %(keep)s > interval '0' THEN now() + %(keep)s END,
               secret = %(secret)s, revision = revision + 1, updated_at = now()
           WHERE tenant = %(tenant)s AND id = %(webhook)s""",
        {"keep": keep_old, "secret": secret, "tenant": tenant, "webhook": webhook},
    )


async def forget_old_secrets(connection: Connection, *, tenant: int) -> None:
    """Forget the secrets whose time to sign beside a newer one is over."""
    await connection.execute(
        """UPDATE webhooks SET old_secret = NULL, old_secret_until = NULL
           WHERE tenant = %s AND old_secret_until < now()""",
        [tenant],
    )


async def note_webhook_success(connection: Connection, webhook: int, *, tenant: int) -> None:
    """Forget that the webhook failed: it does not any more."""
    await connection.execute(
        "UPDATE webhooks SET failing_since = NULL WHERE tenant = %s AND id = %s AND failing_since IS NOT NULL",
        [tenant, webhook],
    )


async def note_webhook_failure(connection: Connection, webhook: int, *, tenant: int) -> datetime | None:
    """Take note that the webhook fails, and return since when; None when it is gone."""
    cursor = await connection.execute(
        """UPDATE webhooks SET failing_since = coalesce(failing_since, now()) WHERE tenant = %s AND id = %s
           RETURNING failing_since""",
        [tenant, webhook],
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def delete_webhook(connection: Connection, webhook: int, *, tenant: int) -> None:
    """Forget the webhook."""
    await connection.execute("DELETE FROM webhooks WHERE tenant = %s AND id = %s", [tenant, webhook])


def _webhook(row: tuple[Any, ...]) -> Webhook:
    tenant, webhook, url, description, events, reason, *others = row
    disabled = DisabledReason(reason) if reason is not None else None
    return Webhook(tenant, webhook, url, description, tuple(events), disabled, *others)
