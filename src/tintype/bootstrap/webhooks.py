"""Builds webhooks: who delivers, what is swept."""

from collections.abc import Callable
from functools import partial

from tintype.bootstrap.origin import site_url
from tintype.bootstrap.outgoing import CONNECT_SECONDS, public_web
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.periodic import PeriodicTask
from tintype.ports.public_web import Patience
from tintype.server_key import sealer, server_key
from tintype.settings import Settings
from tintype.usecases.change_webhook import ChangeWebhook
from tintype.usecases.deliver_webhooks import DeliverWebhooks, DeliveryRules
from tintype.usecases.send_again import SendAgain
from tintype.usecases.sweep_webhooks import SweepWebhooks
from tintype.web.webhook_json import event_body, trial_body


def webhook_changer(settings: Settings, database: Database) -> ChangeWebhook:
    """Return the story of changes."""
    return ChangeWebhook(database=database, sealer=sealer(settings), server_key=server_key(settings))


def sender_again(database: Database, clock: DatabaseClock) -> SendAgain:
    """Return the story of events that somebody wants sent now."""
    return SendAgain(database=database, clock=clock, test_body=trial_body)


def webhook_courier(
    settings: Settings, database: Database, clock: DatabaseClock, count: Callable[[str], None]
) -> DeliverWebhooks:
    """Return what delivers in a worker process; links in events are those of the public address."""
    webhooks = settings.webhooks
    return DeliverWebhooks(
        database=database,
        clock=clock,
        web=public_web(settings),
        sealer=sealer(settings),
        rules=DeliveryRules(
            Patience(CONNECT_SECONDS, webhooks.timeout_seconds, webhooks.timeout_seconds),
            webhooks.retries,
            webhooks.disable_after,
            webhooks.concurrent,
        ),
        body=partial(event_body, base_url=site_url(settings)),
        count=count,
    )


def webhook_sweep(settings: Settings, database: Database) -> PeriodicTask:
    """Return what forgets what is kept for a time."""
    sweep = SweepWebhooks(database=database, keep=settings.webhooks.keep)
    return PeriodicTask("sweep_webhooks", settings.schedule["sweep_webhooks"], sweep)
