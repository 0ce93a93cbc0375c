"""The stories of an event that somebody wants sent now: one that was sent or given up before, or one to try it out."""

from collections.abc import Callable
from datetime import datetime

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.webhook_deliveries import Delivery, NewDelivery, get_delivery, insert_deliveries, revive_delivery
from tintype.db.webhooks import get_webhook
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import bucket_of
from tintype.domain.webhook import (
    DeliveryState,
    EventType,
    Webhook,
    move_delivery,
    no_delivery,
    no_webhook,
)


class SendAgain:
    """Has events sent."""

    def __init__(
        self, *, database: Database, clock: DatabaseClock, test_body: Callable[[Webhook, datetime], str]
    ) -> None:
        """`test_body` writes what is sent to try a webhook out."""
        self._database = database
        self._clock = clock
        self._test_body = test_body

    async def __call__(self, tenant: int, webhook: int, event: int) -> Delivery:
        """Have the event sent again under its own id; `Problem` not_found, or conflict while it is being sent."""
        async with self._database.transaction(tenant) as connection:
            _deliverable(await get_webhook(connection, webhook, tenant=tenant, lock=True))
            found = await get_delivery(connection, webhook=webhook, event=event, lock=True)
            if found is None:
                raise no_delivery()
            if found[0].state is DeliveryState.PENDING:
                raise Problem(Code.CONFLICT, "This event waits to be sent already.")
            move_delivery(found[0].state, DeliveryState.PENDING)
            await revive_delivery(connection, webhook=webhook, event=event)
            again = await get_delivery(connection, webhook=webhook, event=event)
        if again is None:
            raise no_delivery()
        return again[0]

    async def test(self, tenant: int, webhook: int) -> Delivery:
        """Have an event sent that says nothing; `Problem` not_found, or conflict for a webhook that is switched off."""
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            found = _deliverable(await get_webhook(connection, webhook, tenant=tenant, lock=True))
            now, event = self._clock.now(), self._clock.new_id(bucket_of(webhook))
            new = NewDelivery(webhook, event, EventType.TEST, None, now, self._test_body(found, now))
            await insert_deliveries(connection, [new], tenant=tenant)
            made = await get_delivery(connection, webhook=webhook, event=event)
        if made is None:
            raise no_delivery()
        return made[0]


def _deliverable(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise no_webhook()
    if not webhook.enabled:
        raise Problem(Code.CONFLICT, "This webhook is switched off. Switch it on first: PATCH with enabled true.")
    return webhook
