"""Webhooks: what is told, how it is signed, and what becomes of a delivery.

Signatures are those of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks): HMAC-SHA-256 over
id, time and body, with a secret that is written `whsec_` and base64. While a secret is being changed there are two
signatures in the header, and a receiver takes whichever it knows.
"""

import base64
import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tintype.domain.errors import Code, Problem

WEBHOOK_PREFIX: Final = "whk_"
EVENT_PREFIX: Final = "evt_"

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- what a secret's text begins with
SECRET_BYTES: Final = 32
"""Standard Webhooks: from 24 to 64."""

MAX_WEBHOOKS: Final = 50
"""Of one tenant: each is looked at for every event."""

MAX_DESCRIPTION_CHARACTERS: Final = 500

OLD_SECRET_KEEP: Final = timedelta(days=1)
"""How long the secret before goes on signing unless something else is said: long enough to deploy a receiver."""

MOST_OLD_SECRET_KEEP: Final = timedelta(days=30)

MOST_RETRY_AFTER: Final = timedelta(hours=1)
"""A receiver may ask for a pause (`Retry-After`); one that asks for more would be out of reach."""

EVERY_EVENT: Final = "*"

SWITCHED_OFF: Final = "webhook.disabled"
"""Why a delivery was given up that waited for a webhook which was switched off."""


class EventType(StrEnum):
    """What happened; the value is how it is written."""

    IMAGE_READY = "image.ready"
    IMAGE_REJECTED = "image.rejected"
    IMAGE_FAILED = "image.failed"
    IMAGE_UPDATED = "image.updated"
    """Its words, visibility, expiry or attachment changed."""
    IMAGE_REPLACED = "image.replaced"
    """It has other bytes, which are being processed."""
    IMAGE_TRASHED = "image.trashed"
    IMAGE_RESTORED = "image.restored"
    IMAGE_PURGED = "image.purged"
    TEST = "webhook.test"
    """Sent when somebody asks for it, whatever the webhook is for."""


CHOSEN_EVENTS: Final = tuple(event for event in EventType if event is not EventType.TEST)
"""What a webhook may be for."""


class DisabledReason(StrEnum):
    """Why a webhook is switched off."""

    REQUEST = "request"
    FAILING = "failing"
    GONE = "gone"
    """The receiver answered 410."""


class DeliveryState(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


_MOVES: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.PENDING}),
    DeliveryState.DEAD: frozenset({DeliveryState.PENDING}),
}
"""Pending stays so after a failed attempt; whoever asks for it has a delivery sent again."""


class IllegalMove(Exception):
    """A delivery does not go from that state to this one."""


def move_delivery(state: DeliveryState, to: DeliveryState) -> DeliveryState:
    """Return the state to go to; `IllegalMove` when there is no such way."""
    if to not in _MOVES[state]:
        raise IllegalMove(f"a {state} delivery does not become {to}")
    return to


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of a tenant's events. `secret` and `old_secret` are sealed."""

    tenant: int
    id: int
    url: str
    description: str | None
    events: tuple[str, ...]
    disabled_reason: DisabledReason | None
    secret: bytes = field(repr=False)
    old_secret: bytes | None = field(repr=False)
    old_secret_until: datetime | None
    failing_since: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def enabled(self) -> bool:
        """Whether it is told of anything."""
        return self.disabled_reason is None

    @property
    def etag(self) -> str:
        """What tells this state from every other: delivering changes none of it."""
        return f'"{self.revision}"'

    def wants(self, event: str) -> bool:
        """Return whether it is told of such events."""
        return self.enabled and (EVERY_EVENT in self.events or event in self.events)


def secret_text(secret: bytes) -> str:
    """Return the secret as receivers know it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def derive_secret(server_key: bytes, webhook: int, repeated_by: str) -> bytes:
    """Return the secret that a request makes which may be repeated by this Idempotency-Key, the same each time."""
    text = f"tintype/webhook/{webhook}/{repeated_by}".encode()
    return hmac.digest(server_key, text, "sha256")


def signed_headers(secrets: Iterable[bytes], *, event: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery, with a signature for each secret; `timestamp` in seconds since 1970."""
    said = f"{event}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(secret, said, "sha256")).decode() for secret in secrets]
    return {
        "webhook-id": event,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


class Verdict(StrEnum):
    """What an answer means."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


def judge(status: int) -> Verdict:
    """Return what the receiver's status means: it has the event, it is tried again, or it wants nothing any more.

    A redirect is a failure: the tenant named one address, and its owner may not choose another.
    """
    if 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == 410 else Verdict.FAILED


def pause_before_next(attempt: int, retries: Sequence[timedelta], *, spread: float) -> timedelta | None:
    """Return how long to wait after this failed attempt (the first is 1), None when it was the last.

    `spread` (0 to 1) moves it by up to a tenth, so that what failed together does not come back together.
    """
    if attempt > len(retries):
        return None
    return retries[attempt - 1] * (0.9 + 0.2 * spread)


def asked_pause(headers: Mapping[str, str]) -> timedelta:
    """Return how long the receiver asks to be left alone, within bounds; nothing when it does not."""
    value = headers.get("retry-after", "")
    if not re.fullmatch(r"[0-9]{1,9}", value):
        return timedelta()
    return min(timedelta(seconds=int(value)), MOST_RETRY_AFTER)


def known_events(events: Collection[str]) -> bool:
    """Return whether each of them is one that a webhook may be for."""
    return all(event == EVERY_EVENT or event in CHOSEN_EVENTS for event in events)


def no_webhook() -> Problem:
    """Return the refusal for a webhook that is not there."""
    return Problem(Code.NOT_FOUND, "There is no such webhook.")


def no_delivery() -> Problem:
    """Return the refusal for a delivery that is not there."""
    return Problem(Code.NOT_FOUND, "There is no such delivery. It may have been swept, or its image purged.")
