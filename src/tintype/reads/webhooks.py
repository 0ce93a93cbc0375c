"""Webhooks of a tenant and their deliveries, for its operator."""

from dataclasses import dataclass

from tintype.db.pool import Database
from tintype.db.webhook_deliveries import Delivery, get_delivery, list_deliveries
from tintype.db.webhooks import get_webhook, list_webhooks
from tintype.domain.webhook import DeliveryState, Webhook, no_delivery, no_webhook


@dataclass(frozen=True, slots=True)
class WebhookPage:
    """Webhooks, newest first; `more` says whether there are others after them."""

    webhooks: tuple[Webhook, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first; `more` likewise."""

    deliveries: tuple[Delivery, ...]
    more: bool


class Webhooks:
    """Reads webhooks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant: int, *, before: int, limit: int) -> WebhookPage:
        """Return at most `limit` webhooks below `before`."""
        async with self._database.transaction(tenant) as connection:
            found = await list_webhooks(connection, tenant=tenant, before=before, limit=limit + 1)
        return WebhookPage(found[:limit], len(found) > limit)

    async def get(self, tenant: int, webhook: int) -> Webhook:
        """Return the webhook; `Problem` not_found."""
        async with self._database.transaction(tenant) as connection:
            found = await get_webhook(connection, webhook, tenant=tenant)
        if found is None:
            raise no_webhook()
        return found

    async def deliveries(
        self, tenant: int, webhook: int, *, state: DeliveryState | None, before: int, limit: int
    ) -> DeliveryPage:
        """Return at most `limit` deliveries below the event `before`; `Problem` not_found without such a webhook."""
        async with self._database.transaction(tenant) as connection:
            if await get_webhook(connection, webhook, tenant=tenant) is None:
                raise no_webhook()
            found = await list_deliveries(connection, webhook=webhook, state=state, before=before, limit=limit + 1)
        return DeliveryPage(found[:limit], len(found) > limit)

    async def delivery(self, tenant: int, webhook: int, event: int) -> tuple[Delivery, str]:
        """Return the delivery and what is sent; `Problem` not_found."""
        async with self._database.transaction(tenant) as connection:
            if await get_webhook(connection, webhook, tenant=tenant) is None:
                raise no_webhook()
            found = await get_delivery(connection, webhook=webhook, event=event)
        if found is None:
            raise no_delivery()
        return found
