"""What may be said of a webhook: each check notes what is wrong and goes on, so that a client learns of all at once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from tintype.domain.errors import FieldError
from tintype.domain.outgoing import BadUrl, parse_outgoing
from tintype.domain.public_address import Network, may_reach
from tintype.domain.webhook import (
    CHOSEN_EVENTS,
    EVERY_EVENT,
    MAX_DESCRIPTION_CHARACTERS,
    MOST_OLD_SECRET_KEEP,
    OLD_SECRET_KEEP,
    DisabledReason,
    Webhook,
    known_events,
)
from tintype.usecases.create_webhook import WantedWebhook
from tintype.web.image_fields import check_text, invalid
from tintype.web.openapi import IF_MATCH, nullable


class ReceiverRules:
    """Where receivers may be: on these ports, and in these networks beside the public internet."""

    def __init__(self, ports: Collection[int], allowed: Collection[Network]) -> None:
        self._ports = ports
        self._allowed = allowed

    def url(self, text: str) -> str:
        """Return the URL as it will be called; `BadUrl` for one that never is. Names are looked up when they are."""
        url = parse_outgoing(text, self._ports)
        if url.literal is not None and not may_reach(url.literal, self._allowed):
            raise BadUrl("This address is not on the public internet; whoever runs the server may allow it.")
        return str(url)


class WebhookWanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A webhook to make. `events` are types such as `image.ready`; all of them when nothing is said."""

    url: str
    description: str | None = None
    events: list[str] = msgspec.field(default_factory=lambda: [EVERY_EVENT])
    enabled: bool = True


class RotationWanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """For how many seconds the secret before goes on signing beside the new one; 0 for not at all."""

    keep_old_for: int = int(OLD_SECRET_KEEP.total_seconds())


def wanted_webhook(data: WebhookWanted, rules: ReceiverRules) -> WantedWebhook:
    """Return what is to be made; `Problem` names every bad field."""
    errors: list[FieldError] = []
    wanted = WantedWebhook(
        url=_url(data.url, rules, errors),
        description=check_text("description", data.description or "", MAX_DESCRIPTION_CHARACTERS, errors),
        events=_events(data.events, errors),
        enabled=data.enabled,
    )
    if errors:
        raise invalid(errors)
    return wanted


def changed_webhook(old: Webhook, data: dict[str, Any], rules: ReceiverRules) -> Webhook:
    """Return the webhook after a merge patch; `Problem` names every bad field."""
    errors = [
        FieldError(name[:40], f"There is no such field; there are {', '.join(_PROPERTIES)}.")
        for name in data
        if name not in _PROPERTIES
    ]
    new = old
    if "url" in data:
        new = replace(new, url=_url(data["url"], rules, errors))
    if "description" in data:
        said = data["description"]
        if said is not None and not isinstance(said, str):
            errors.append(FieldError("description", "A text, or null."))
            said = None
        text = check_text("description", said or "", MAX_DESCRIPTION_CHARACTERS, errors)
        new = replace(new, description=text)
    if "events" in data:
        new = replace(new, events=_events(data["events"], errors))
    if "enabled" in data:
        new = replace(new, disabled_reason=_reason(old, data["enabled"], errors))
    if errors:
        raise invalid(errors)
    return new


def old_secret_keep(data: RotationWanted) -> timedelta:
    """Return for how long the secret before goes on signing."""
    most = int(MOST_OLD_SECRET_KEEP.total_seconds())
    if not 0 <= data.keep_old_for <= most:
        raise invalid([FieldError("keep_old_for", f"A whole number of seconds from 0 to {most}.")])
    return timedelta(seconds=data.keep_old_for)


def _url(value: object, rules: ReceiverRules, errors: list[FieldError]) -> str:
    if not isinstance(value, str):
        errors.append(FieldError("url", "A text is needed here."))
        return ""
    try:
        return rules.url(value)
    except BadUrl as error:
        errors.append(FieldError("url", str(error)))
        return ""


def _events(value: object, errors: list[FieldError]) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(event, str) for event in value) and known_events(value):
        return (EVERY_EVENT,) if EVERY_EVENT in value else tuple(dict.fromkeys(value))
    errors.append(FieldError("events", f"One or more of {', '.join(CHOSEN_EVENTS)}, or {EVERY_EVENT} for all."))
    return ()


def _reason(old: Webhook, enabled: object, errors: list[FieldError]) -> DisabledReason | None:
    if not isinstance(enabled, bool):
        errors.append(FieldError("enabled", "Either true or false."))
        return old.disabled_reason
    return None if enabled else old.disabled_reason or DisabledReason.REQUEST


_PROPERTIES: Final = {
    "url": Schema(type=OpenAPIType.STRING, description="Where events are sent, https or http."),
    "description": nullable(OpenAPIType.STRING, "What it is for; at most 500 characters."),
    "events": Schema(
        type=OpenAPIType.ARRAY,
        description="What it is told of.",
        items=Schema(type=OpenAPIType.STRING, enum=[*CHOSEN_EVENTS, EVERY_EVENT]),
        min_items=1,
    ),
    "enabled": Schema(
        type=OpenAPIType.BOOLEAN, description="false: it is told of nothing, and what waits is given up."
    ),
}


@dataclass
class WebhookChange(Operation):
    """`PATCH /webhooks/{webhook_id}`: a merge patch."""

    def __post_init__(self) -> None:
        schema = Schema(type=OpenAPIType.OBJECT, properties={**_PROPERTIES}, additional_properties=False)
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=True)
        self.parameters = [*(self.parameters or []), IF_MATCH]
