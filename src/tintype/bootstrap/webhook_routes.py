"""Builds the routes of webhooks."""

from litestar import Router

from tintype.bootstrap.webhooks import sender_again, webhook_changer
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.reads.webhooks import Webhooks
from tintype.server_key import sealer, server_key
from tintype.settings import Settings
from tintype.usecases.create_webhook import CreateWebhook
from tintype.usecases.repeat_request import RepeatRequest
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.webhook_fields import ReceiverRules
from tintype.web.webhooks import WebhooksApi, webhook_routes


def webhook_routes_of(
    settings: Settings, database: Database, clock: DatabaseClock, authenticator: Authenticator, proxies: Proxies
) -> Router:
    """Return the routes."""
    return webhook_routes(
        WebhooksApi(
            authenticator=authenticator,
            proxies=proxies,
            webhooks=Webhooks(database),
            create=CreateWebhook(
                database=database, clock=clock, sealer=sealer(settings), server_key=server_key(settings)
            ),
            change=webhook_changer(settings, database),
            send_again=sender_again(database, clock),
            repeat_request=RepeatRequest(database),
            rules=ReceiverRules(settings.outgoing.ports, settings.outgoing.allow),
        )
    )
