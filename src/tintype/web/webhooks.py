"""`/api/v1/webhooks`: who is told of what happens to a tenant's images, for its operator."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.db.webhook_deliveries import Delivery
from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt
from tintype.domain.ids import BadId, parse_public_id
from tintype.domain.webhook import EVENT_PREFIX, WEBHOOK_PREFIX, DeliveryState, Webhook, secret_text
from tintype.reads.webhooks import Webhooks
from tintype.usecases.change_webhook import ChangeWebhook
from tintype.usecases.create_webhook import CreateWebhook, MadeWebhook, RepeatableWebhook
from tintype.usecases.repeat_request import RepeatRequest
from tintype.usecases.send_again import SendAgain
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.conditional import parse_if_match
from tintype.web.idempotency import REPLAYED, attempt_of, replayed, secret_attempt_of
from tintype.web.openapi import RepeatableCreation, problems
from tintype.web.webhook_fields import (
    ReceiverRules,
    RotationWanted,
    WebhookChange,
    WebhookWanted,
    changed_webhook,
    old_secret_keep,
    wanted_webhook,
)
from tintype.web.webhook_json import (
    DeliveryJson,
    DeliveryListJson,
    NewWebhookJson,
    SentDeliveryJson,
    WebhookJson,
    WebhookListJson,
    present_delivery,
    present_webhook,
)

ApiRequest = Request[Any, Any, AppState]

_UNSHARED: Final = {"cache-control": "no-store"}
_ABOVE_ALL: Final = (1 << 63) - 1

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many, from 1 to 100.")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before.")]


@dataclass(frozen=True, slots=True)
class WebhooksApi:
    """What the handlers work with."""

    authenticator: Authenticator
    proxies: Proxies
    webhooks: Webhooks
    create: CreateWebhook
    change: ChangeWebhook
    send_again: SendAgain
    repeat_request: RepeatRequest
    rules: ReceiverRules

    async def operator(self, request: ApiRequest) -> tuple[Actor, Requester]:
        """Return who asks; `Problem` for whoever is not the tenant's operator."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Webhooks are the operator's. Send an API key as Bearer, or sign in.")
        caller.actor.need_all(Scope.WEBHOOKS)
        return caller.actor, caller.requester


def _shown(webhook: Webhook) -> Response[WebhookJson]:
    return Response(present_webhook(webhook), headers={"etag": webhook.etag, **_UNSHARED})


def _with_secret(shown: WebhookJson, secret: bytes, headers: Mapping[str, str]) -> Response[NewWebhookJson]:
    answer = NewWebhookJson(**msgspec.structs.asdict(shown), secret=secret_text(secret))
    return Response(answer, headers={**headers, **_UNSHARED})


@get("/webhooks", operation_id="listWebhooks", summary="List webhooks, newest first", responses=problems(401, 403, 503))
async def list_webhooks(
    request: ApiRequest, api: NamedDependency[WebhooksApi], limit: Limit = 30, cursor: Cursor = None
) -> Response[WebhookListJson]:
    """Return the tenant's webhooks, without their secrets."""
    actor, _ = await api.operator(request)
    page = await api.webhooks.page(actor.tenant, before=_before(WEBHOOK_PREFIX, cursor), limit=limit)
    items = [present_webhook(webhook) for webhook in page.webhooks]
    return Response(WebhookListJson(items, items[-1].id if page.more else None), headers=_UNSHARED)


@post(
    "/webhooks",
    status_code=201,
    operation_id="createWebhook",
    operation_class=RepeatableCreation,
    summary="Make a webhook",
    description="The answer shows the `secret` that events are signed with, once. Events are those after this.",
    responses=problems(401, 403, 409, 422, 503),
)
async def create_webhook(
    request: ApiRequest, api: NamedDependency[WebhooksApi], data: WebhookWanted
) -> Response[NewWebhookJson]:
    """Make a webhook and show its secret."""
    actor, by = await api.operator(request)
    wanted = wanted_webhook(data, api.rules)
    attempt = secret_attempt_of(request.headers, actor, "POST /webhooks", msgspec.to_builtins(data))
    made = await api.create(actor, wanted, by, RepeatableWebhook(attempt, _as_text) if attempt else None)
    shown, headers = _made(made)
    return _with_secret(shown, made.secret, {"location": f"/api/v1/webhooks/{shown.id}", **headers})


def _made(made: MadeWebhook) -> tuple[WebhookJson, Mapping[str, str]]:
    if made.webhook is not None:
        return present_webhook(made.webhook), {"etag": made.webhook.etag}
    return msgspec.json.decode(made.answer or "", type=WebhookJson), REPLAYED


def _as_text(webhook: Webhook) -> str:
    return msgspec.json.encode(present_webhook(webhook)).decode()


@get(
    "/webhooks/{webhook_id:str}",
    operation_id="getWebhook",
    summary="Look at a webhook",
    responses=problems(401, 403, 404, 503),
)
async def get_webhook(
    request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str]
) -> Response[WebhookJson]:
    """Return the webhook without its secret."""
    actor, _ = await api.operator(request)
    return _shown(await api.webhooks.get(actor.tenant, _id(WEBHOOK_PREFIX, webhook_id)))


@patch(
    "/webhooks/{webhook_id:str}",
    status_code=200,
    operation_id="changeWebhook",
    operation_class=WebhookChange,
    summary="Change a webhook, or switch it on or off",
    description="A JSON merge patch: what is not named stays. Switched off, what waited for it is given up.",
    responses=problems(401, 403, 404, 412, 422, 503),
)
async def change_webhook(
    request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str], data: dict[str, Any]
) -> Response[WebhookJson]:
    """Change the webhook and return it."""
    actor, by = await api.operator(request)
    expected = parse_if_match(request.headers.get("if-match"))
    meant = _id(WEBHOOK_PREFIX, webhook_id)
    return _shown(
        await api.change(
            actor.tenant, meant, lambda old: changed_webhook(old, data, api.rules), by=by, expected=expected
        )
    )


@delete(
    "/webhooks/{webhook_id:str}",
    status_code=204,
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    description="With everything that it was told. A call that is under way comes to its end.",
    responses=problems(401, 403, 404, 503),
)
async def delete_webhook(request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str]) -> None:
    """Forget the webhook."""
    actor, by = await api.operator(request)
    await api.change.delete(actor.tenant, _id(WEBHOOK_PREFIX, webhook_id), by=by)


@post(
    "/webhooks/{webhook_id:str}/rotate-secret",
    status_code=201,
    operation_id="rotateWebhookSecret",
    operation_class=RepeatableCreation,
    summary="Give a webhook another secret",
    description="The one before signs beside it for a day, or for `keep_old_for` seconds. The answer shows the new "
    "one, once.",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def rotate_secret(
    request: ApiRequest,
    api: NamedDependency[WebhooksApi],
    webhook_id: FromPath[str],
    data: RotationWanted | None = None,
) -> Response[NewWebhookJson]:
    """Return the webhook with its new secret."""
    actor, by = await api.operator(request)
    meant, keep_old = _id(WEBHOOK_PREFIX, webhook_id), old_secret_keep(data or RotationWanted())
    said = {"keep_old_for": keep_old.total_seconds()}
    attempt = secret_attempt_of(request.headers, actor, f"POST /webhooks/{meant}/rotate-secret", said)
    made = await api.change.rotate(actor.tenant, meant, keep_old=keep_old, by=by, repeatable=attempt)
    headers = {"etag": made.webhook.etag, **replayed(again=made.again)}
    return _with_secret(present_webhook(made.webhook), made.secret, headers)


@post(
    "/webhooks/{webhook_id:str}/test",
    status_code=202,
    operation_id="testWebhook",
    operation_class=RepeatableCreation,
    summary="Send an event that says nothing",
    description="Of type `webhook.test`, whatever the webhook is for. Its delivery tells how it went.",
    responses=problems(401, 403, 404, 409, 503),
)
async def send_test(
    request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str]
) -> Response[DeliveryJson]:
    """Have an event sent and return its delivery."""
    actor, _ = await api.operator(request)
    meant = _id(WEBHOOK_PREFIX, webhook_id)
    attempt = attempt_of(request.headers, actor, f"POST /webhooks/{meant}/test", {})
    return await _sent(api, actor, attempt, lambda: api.send_again.test(actor.tenant, meant))


async def _sent(
    api: WebhooksApi, actor: Actor, attempt: Attempt | None, send: Callable[[], Awaitable[Delivery]]
) -> Response[DeliveryJson]:
    """Have an event sent, once for each Idempotency-Key, and return its delivery."""
    if (kept := await api.repeat_request.answered_before(actor.tenant, attempt)) is not None:
        return Response(msgspec.json.decode(kept, type=DeliveryJson), headers={**REPLAYED, **_UNSHARED})
    delivery = await send()
    shown = present_delivery(delivery)
    answer = msgspec.json.encode(shown).decode()
    await api.repeat_request.keep(actor.tenant, attempt, image_id=delivery.event, answer=answer)
    return Response(shown, headers=_UNSHARED)


@get(
    "/webhooks/{webhook_id:str}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List what a webhook was told, newest first",
    description="`state=dead` are those that were given up.",
    responses=problems(401, 403, 404, 503),
)
async def list_deliveries(
    request: ApiRequest,
    api: NamedDependency[WebhooksApi],
    webhook_id: FromPath[str],
    wanted: Annotated[
        DeliveryState | None, QueryParameter(name="state", description="pending, delivered or dead.")
    ] = None,
    limit: Limit = 30,
    cursor: Cursor = None,
) -> Response[DeliveryListJson]:
    """Return deliveries of the webhook."""
    actor, _ = await api.operator(request)
    meant, before = _id(WEBHOOK_PREFIX, webhook_id), _before(EVENT_PREFIX, cursor)
    page = await api.webhooks.deliveries(actor.tenant, meant, state=wanted, before=before, limit=limit)
    items = [present_delivery(delivery) for delivery in page.deliveries]
    return Response(DeliveryListJson(items, items[-1].id if page.more else None), headers=_UNSHARED)


@get(
    "/webhooks/{webhook_id:str}/deliveries/{event_id:str}",
    operation_id="getWebhookDelivery",
    summary="Look at what a webhook was told, and how it went",
    responses=problems(401, 403, 404, 503),
)
async def get_delivery(
    request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str], event_id: FromPath[str]
) -> Response[SentDeliveryJson]:
    """Return the delivery with its body."""
    actor, _ = await api.operator(request)
    meant, event = _id(WEBHOOK_PREFIX, webhook_id), _id(EVENT_PREFIX, event_id)
    delivery, body = await api.webhooks.delivery(actor.tenant, meant, event)
    shown = SentDeliveryJson(**msgspec.structs.asdict(present_delivery(delivery)), body=body)
    return Response(shown, headers=_UNSHARED)


@post(
    "/webhooks/{webhook_id:str}/deliveries/{event_id:str}/redeliver",
    status_code=202,
    operation_id="redeliverWebhook",
    operation_class=RepeatableCreation,
    summary="Send an event again",
    description="Under the same id, with all its attempts: one that was given up, or one that was delivered.",
    responses=problems(401, 403, 404, 409, 503),
)
async def redeliver(
    request: ApiRequest, api: NamedDependency[WebhooksApi], webhook_id: FromPath[str], event_id: FromPath[str]
) -> Response[DeliveryJson]:
    """Have the event sent again and return its delivery."""
    actor, _ = await api.operator(request)
    meant, event = _id(WEBHOOK_PREFIX, webhook_id), _id(EVENT_PREFIX, event_id)
    attempt = attempt_of(request.headers, actor, f"POST /webhooks/{meant}/deliveries/{event}/redeliver", {})
    return await _sent(api, actor, attempt, lambda: api.send_again(actor.tenant, meant, event))


def _id(prefix: str, text: str) -> int:
    try:
        return parse_public_id(prefix, text)
    except BadId as error:
        what = "webhook" if prefix == WEBHOOK_PREFIX else "delivery"
        message = f"There is no such {what}; an id looks like {prefix} and 11 letters and digits."
        raise Problem(Code.NOT_FOUND, message) from error


def _before(prefix: str, cursor: str | None) -> int:
    try:
        return parse_public_id(prefix, cursor) if cursor is not None else _ABOVE_ALL
    except BadId as error:
        message = "This cursor is none. Take the one that `next` of a list gave you."
        raise Problem(Code.REQUEST_UNREADABLE, message) from error


def webhook_routes(api: WebhooksApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[
            *(list_webhooks, create_webhook, get_webhook, change_webhook, delete_webhook, rotate_secret, send_test),
            *(list_deliveries, get_delivery, redeliver),
        ],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Webhooks"],
    )
