"""Deliveries of events to webhooks, in the bucket of the webhook."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.webhook import DeliveryState

SWEPT_AT_ONCE: Final = 10_000

_COLUMNS: Final = """webhook, event, type, state, attempts, due_at, occurred_at, tried_at, status, error, milliseconds,
    delivered_at"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a webhook is told, or was; `status`, `error` and `milliseconds` are of the last attempt."""

    webhook: int
    event: int
    type: str
    state: DeliveryState
    attempts: int
    due_at: datetime
    occurred_at: datetime
    tried_at: datetime | None
    status: int | None
    error: str | None
    milliseconds: int | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event for a webhook; `body` is what is sent, the same at every attempt."""

    webhook: int
    event: int
    type: str
    image: int | None
    occurred_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class TakenDelivery:
    """A delivery that is ours to try; `attempt` is its number, 1 for the first."""

    tenant: int
    webhook: int
    event: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt went."""

    state: DeliveryState
    next_in: timedelta
    """When a pending one is tried again."""
    status: int | None
    error: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """Deliveries of every tenant that wait and that were given up, how late (s) they are, and webhooks that failed."""

    pending: int
    dead: int
    late: float
    disabled: int


async def insert_deliveries(connection: Connection, deliveries: Sequence[NewDelivery], *, tenant: int) -> None:
    """Write deliveries, due now; one that is there already stays as it is."""
    await connection.execute(
        """INSERT INTO webhook_deliveries (bucket, webhook, event, tenant, type, image, occurred_at, body)
           SELECT bucket, webhook, event, %s, type, image, occurred_at, body
           FROM unnest(%s::int2[], %s::int8[], %s::int8[], %s::text[], %s::int8[], %s::timestamptz[], %s::text[])
               AS new (bucket, webhook, event, type, image, occurred_at, body)
           ON CONFLICT (bucket, webhook, event) DO NOTHING""",
        [
            tenant,
            [bucket_of(new.webhook) for new in deliveries],
            [new.webhook for new in deliveries],
            [new.event for new in deliveries],
            [new.type for new in deliveries],
            [new.image for new in deliveries],
            [new.occurred_at for new in deliveries],
            [new.body for new in deliveries],
        ],
    )


async def take_deliveries(
    connection: Connection, *, busy: Sequence[int], limit: int, each: int, lease: timedelta
) -> tuple[TakenDelivery, ...]:
    """Take deliveries of any tenant and bucket that are due, none of the webhooks that are `busy`.

    Whoever delivers has no tenant: a narrow function says which are due, and nothing else of them.
    """
    cursor = await connection.execute(
        "SELECT tenant, webhook, event, attempt FROM take_webhook_deliveries(%s::int8[], %s, %s, %s)",
        [list(busy), limit, each, lease],
    )
    return tuple(TakenDelivery(*row) for row in await cursor.fetchall())


async def body_of(connection: Connection, taken: TakenDelivery) -> str | None:
    """Return what is to be sent; None when the delivery is gone, or somebody else's attempt by now."""
    cursor = await connection.execute(
        """SELECT body FROM webhook_deliveries
           WHERE bucket = %s AND webhook = %s AND event = %s AND state = 'pending' AND attempts = %s""",
        [bucket_of(taken.webhook), taken.webhook, taken.event, taken.attempt],
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def record_attempt(connection: Connection, taken: TakenDelivery, tried: Tried) -> bool:
    """Write how the attempt went; return False, and write nothing, when the delivery is gone or another's by now."""
    cursor = await connection.execute(
        """UPDATE webhook_deliveries SET state = %(state)s, due_at = now() + %(next_in)s, tried_at = now(),
               status = %(status)s, error = %(error)s, milliseconds = %(milliseconds)s,
               delivered_at = CASE WHEN %(state)s = 'delivered' THEN now() END
           WHERE bucket = %(bucket)s AND webhook = %(webhook)s AND event = %(event)s AND state = 'pending'
               AND attempts = %(attempt)s RETURNING 1""",
        {
            "state": str(tried.state),
            "next_in": tried.next_in,
            "status": tried.status,
            "error": tried.error,
            "milliseconds": tried.milliseconds,
            "bucket": bucket_of(taken.webhook),
            "webhook": taken.webhook,
            "event": taken.event,
            "attempt": taken.attempt,
        },
    )
    return await cursor.fetchone() is not None


async def list_deliveries(
    connection: Connection, *, webhook: int, state: DeliveryState | None, before: int, limit: int
) -> tuple[Delivery, ...]:
    """Return deliveries of the webhook below the event `before`, newest first; in this state, if one is named."""
    cursor = await connection.execute(
        f"""SELECT {_COLUMNS} FROM webhook_deliveries
            WHERE bucket = %s AND webhook = %s AND event < %s AND (%s::text IS NULL OR state = %s)
            ORDER BY event DESC LIMIT %s""".encode(),  # noqa: S608 -- constants
        [bucket_of(webhook), webhook, before, state, state, limit],
    )
    return tuple(_delivery(row) for row in await cursor.fetchall())


async def dead_deliveries(
    connection: Connection, *, tenant: int, before: tuple[int, int], limit: int
) -> tuple[Delivery, ...]:
    """Return what was given up of the tenant's, newest first, below (event, webhook); of every bucket, for a list."""
    cursor = await connection.execute(
        f"""SELECT {_COLUMNS} FROM webhook_deliveries
            WHERE tenant = %s AND state = 'dead' AND (event, webhook) < (%s, %s)
            ORDER BY event DESC, webhook DESC LIMIT %s""".encode(),  # noqa: S608 -- constants
        [tenant, *before, limit],
    )
    return tuple(_delivery(row) for row in await cursor.fetchall())


async def get_delivery(
    connection: Connection, *, webhook: int, event: int, lock: bool = False
) -> tuple[Delivery, str] | None:
    """Return the delivery and what is sent, None when there is none; locked for whoever changes it."""
    cursor = await connection.execute(
        f"""SELECT {_COLUMNS}, body FROM webhook_deliveries
            WHERE bucket = %s AND webhook = %s AND event = %s{" FOR UPDATE" if lock else ""}""".encode(),  # noqa: S608 -- constants
        [bucket_of(webhook), webhook, event],
    )
    row = await cursor.fetchone()
    return (_delivery(row[:-1]), row[-1]) if row else None


async def revive_delivery(connection: Connection, *, webhook: int, event: int) -> None:
    """Have the event sent again, at once and with all its attempts. The caller holds the lock."""
    await connection.execute(
        """UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = now(), delivered_at = NULL
           WHERE bucket = %s AND webhook = %s AND event = %s""",
        [bucket_of(webhook), webhook, event],
    )


async def give_up_pending(connection: Connection, *, webhook: int, error: str) -> None:
    """Give up whatever waits for the webhook."""
    await connection.execute(
        """UPDATE webhook_deliveries SET state = 'dead', error = %s
           WHERE bucket = %s AND webhook = %s AND state = 'pending'""",
        [error, bucket_of(webhook), webhook],
    )


async def delete_deliveries(connection: Connection, *, webhook: int) -> None:
    """Forget everything that the webhook was or would have been told."""
    await connection.execute(
        "DELETE FROM webhook_deliveries WHERE bucket = %s AND webhook = %s", [bucket_of(webhook), webhook]
    )


async def sweep_deliveries(connection: Connection, *, tenant: int, keep: timedelta) -> int:
    """Forget the tenant's deliveries of events that are older, in every bucket: an age is all they have in common."""
    cursor = await connection.execute(
        """WITH swept AS (DELETE FROM webhook_deliveries WHERE (bucket, webhook, event) IN (
               SELECT bucket, webhook, event FROM webhook_deliveries
               WHERE tenant = %s AND occurred_at < now() - %s LIMIT %s) RETURNING 1)
           SELECT count(*) FROM swept""",
        [tenant, keep, SWEPT_AT_ONCE],
    )
    row = await cursor.fetchone()
    return row[0] if row else 0


async def count_deliveries(connection: Connection) -> DeliveryCounts:
    """Return what there is of every tenant, in numbers."""
    cursor = await connection.execute("SELECT pending, dead, late, disabled FROM count_webhook_deliveries()")
    row = await cursor.fetchone()
    return DeliveryCounts(*row) if row else DeliveryCounts(0, 0, 0.0, 0)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    webhook, event, event_type, state, *others = row
    return Delivery(webhook, event, event_type, DeliveryState(state), *others)
