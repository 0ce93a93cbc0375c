"""Webhooks that Tintype sent: signed as Standard Webhooks say (standardwebhooks.com), checked here in constant time."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tintype_client.errors import WebhookInvalid

TOLERANCE_SECONDS: Final = 300
"""How old (or early) a webhook may be: what is older was recorded and is played again."""

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- what a secret begins with
_VERSION: Final = "v1"


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> dict[str, Any]:
    """Return the event of a webhook that is genuine; `WebhookInvalid` for any other.

    `body` is the request's body as it came, byte for byte: not JSON that was read and written again. While a secret is
    rotated, give both. `tolerance` is in seconds; `now` is a Unix time, the clock's without it. Remember the header
    `webhook-id` to do nothing twice: a webhook may come again.
    """
    content = body.encode() if isinstance(body, str) else bytes(body)
    named = {name.lower(): value for name, value in headers.items()}
    try:
        identifier, sent_at, given = (named[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookInvalid(f"The header {missing} is missing.") from None
    _check_age(sent_at, tolerance, time.time() if now is None else now)
    signed = b".".join((identifier.encode(), sent_at.encode(), content))
    keys = [_key(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not any(_matches(key, signed, given) for key in keys):
        raise WebhookInvalid("The signature is not of this body by this secret.")
    return _event(content)


def _check_age(sent_at: str, tolerance: float, now: float) -> None:
    if not (sent_at.isascii() and sent_at.isdigit()):
        raise WebhookInvalid("The header 'webhook-timestamp' is no Unix time.")
    if abs(now - int(sent_at)) > tolerance:
        raise WebhookInvalid(f"The webhook is more than {tolerance:.0f} seconds away from this clock's time.")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("A webhook's secret is whsec_ and base64; this one is not.") from None


def _matches(key: bytes, signed: bytes, given: str) -> bool:
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    candidates = (text.partition(",") for text in given.split())
    return any(
        version == _VERSION and hmac.compare_digest(signature.encode(), expected)
        for version, _, signature in candidates
    )


def _event(content: bytes) -> dict[str, Any]:
    try:
        event = json.loads(content)
    except ValueError:
        raise WebhookInvalid("The body is no JSON.") from None
    if not isinstance(event, dict):
        raise WebhookInvalid("The body is no JSON object.")
    return event
