"""A webhook is believed when it was signed with the secret, a moment ago, and as it came."""

import base64
import hashlib
import hmac
import json

import pytest

from tintype_client import WebhookInvalid, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
NOW = 1_795_000_000
BODY = '{"type": "image.ready", "data": {"id": "img_1"}}'


def signed(body: str = BODY, *, at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a webhook, signed as the specification says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"msg_1.{at}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1a,other v1,{base64.b64encode(mac).decode()}",
    }


def test_the_example_of_the_specification_is_believed() -> None:
    # github.com/standard-webhooks/standard-webhooks, its reference implementations' own test
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = '{"test": 2432232314}'
    assert verify_webhook(body, headers, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", now=1614265330) == json.loads(body)


def test_a_genuine_webhook_gives_its_event() -> None:
    assert verify_webhook(BODY.encode(), signed(), SECRET, now=NOW)["type"] == "image.ready"


def test_while_a_secret_is_rotated_either_is_good() -> None:
    assert verify_webhook(BODY, signed(secret=OTHER), [SECRET, OTHER], now=NOW)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (BODY + " ", signed(), "not of this body"),
        (BODY, signed(secret=OTHER), "not of this body"),
        (BODY, signed() | {"Webhook-Signature": "v1,é"}, "not of this body"),
        (BODY, signed(at=NOW - 301), "more than 300 seconds"),
        (BODY, signed(at=NOW + 301), "more than 300 seconds"),
        (BODY, signed() | {"Webhook-Timestamp": "²"}, "no Unix time"),
        (BODY, {"webhook-id": "msg_1"}, "'webhook-timestamp' is missing"),
        ("no JSON", signed("no JSON"), "no JSON"),
        ("[]", signed("[]"), "no JSON object"),
    ],
)
def test_any_other_is_refused(body: str, headers: dict[str, str], reason: str) -> None:
    with pytest.raises(WebhookInvalid, match=reason):
        verify_webhook(body, headers, SECRET, now=NOW)


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="whsec_ and base64"):
        verify_webhook(BODY, signed(), "whsec_§", now=NOW)
