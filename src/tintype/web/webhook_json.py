"""Webhooks and deliveries as clients see them, and what receivers are sent."""

from datetime import datetime

import msgspec

from tintype.db.outbox import Event
from tintype.db.webhook_deliveries import Delivery
from tintype.domain.ids import ACCOUNT_PREFIX, public_id
from tintype.domain.image import Image, State
from tintype.domain.webhook import EVENT_PREFIX, WEBHOOK_PREFIX, DeliveryState, EventType, Webhook
from tintype.web.image_json import present_image, utc_time


class WebhookJson(msgspec.Struct, kw_only=True):
    """A webhook. `events` are types, or `*` for all; `disabled_reason` is null, request, failing or gone.

    Until `old_secret_until` what is sent is signed with the secret before, too.
    """

    id: str
    url: str
    description: str | None
    events: list[str]
    enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    old_secret_until: str | None
    created_at: str
    updated_at: str


class NewWebhookJson(WebhookJson, kw_only=True):
    """A webhook with its secret, `whsec_` and base64, which is shown in this answer alone."""

    secret: str


class WebhookListJson(msgspec.Struct):
    """Webhooks, newest first; `next` is the cursor of those after them, null at the end."""

    items: list[WebhookJson]
    next: str | None


class DeliveryJson(msgspec.Struct, kw_only=True):
    """An event for a webhook; `id` is the `webhook-id` of its every attempt.

    `status`, `error` and `milliseconds` are of the last attempt. `next_attempt_at` is null unless it is pending.
    """

    id: str
    type: str
    state: DeliveryState
    attempts: int
    occurred_at: str
    last_attempt_at: str | None
    next_attempt_at: str | None
    delivered_at: str | None
    status: int | None
    error: str | None
    milliseconds: int | None


class SentDeliveryJson(DeliveryJson, kw_only=True):
    """A delivery with the body that is sent."""

    body: str


class DeliveryListJson(msgspec.Struct):
    """Deliveries, newest first; `next` likewise."""

    items: list[DeliveryJson]
    next: str | None


class GoneImageJson(msgspec.Struct, kw_only=True):
    """What is told of an image that was purged: what it was called, and no word of it."""

    id: str
    state: str
    kind: str
    owner: str | None
    created_at: str
    purged_at: str | None


class EventJson(msgspec.Struct):
    """What a receiver is sent (Standard Webhooks)."""

    type: str
    timestamp: str
    data: msgspec.Raw


def present_webhook(webhook: Webhook) -> WebhookJson:
    """Return the webhook's JSON, which tells nothing of its secret."""
    return WebhookJson(
        id=public_id(WEBHOOK_PREFIX, webhook.id),
        url=webhook.url,
        description=webhook.description,
        events=list(webhook.events),
        enabled=webhook.enabled,
        disabled_reason=webhook.disabled_reason,
        failing_since=_time(webhook.failing_since),
        old_secret_until=_time(webhook.old_secret_until),
        created_at=utc_time(webhook.created_at),
        updated_at=utc_time(webhook.updated_at),
    )


def present_delivery(delivery: Delivery) -> DeliveryJson:
    """Return the delivery's JSON."""
    pending = delivery.state is DeliveryState.PENDING
    return DeliveryJson(
        id=public_id(EVENT_PREFIX, delivery.event),
        type=delivery.type,
        state=delivery.state,
        attempts=delivery.attempts,
        occurred_at=utc_time(delivery.occurred_at),
        last_attempt_at=_time(delivery.tried_at),
        next_attempt_at=utc_time(delivery.due_at) if pending else None,
        delivered_at=_time(delivery.delivered_at),
        status=delivery.status,
        error=delivery.error,
        milliseconds=delivery.milliseconds,
    )


def event_body(event: Event, base_url: str) -> str:
    """Return what is sent of the event: the image as its owner sees it, without tokens."""
    image = event.image
    data = _gone(image) if image.state is State.PURGED else present_image(image, base_url, owner=True)
    return _body(event.type, event.occurred_at, msgspec.json.encode(data))


def trial_body(webhook: Webhook, now: datetime) -> str:
    """Return what is sent to try a webhook out."""
    return _body(EventType.TEST, now, msgspec.json.encode({"webhook": public_id(WEBHOOK_PREFIX, webhook.id)}))


def _body(event_type: EventType, occurred_at: datetime, data: bytes) -> str:
    return msgspec.json.encode(EventJson(event_type.value, utc_time(occurred_at), msgspec.Raw(data))).decode()


def _gone(image: Image) -> GoneImageJson:
    return GoneImageJson(
        id=str(image.ref),
        state=image.state.value,
        kind=image.kind,
        owner=public_id(ACCOUNT_PREFIX, image.owner) if image.owner is not None else None,
        created_at=utc_time(image.created_at),
        purged_at=_time(image.purged_at),
    )


def _time(value: datetime | None) -> str | None:
    return utc_time(value) if value is not None else None
