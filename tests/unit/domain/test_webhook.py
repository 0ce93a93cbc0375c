import base64
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

from tintype.domain.webhook import (
    CHOSEN_EVENTS,
    DeliveryState,
    EventType,
    IllegalMove,
    Verdict,
    asked_pause,
    derive_secret,
    judge,
    known_events,
    move_delivery,
    pause_before_next,
    secret_text,
    signed_headers,
)

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
BODY = '{"type":"image.ready","data":{"title":"Kätzchen"}}'.encode()


def test_a_signature_is_the_one_of_the_published_vector() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(
        [secret], event="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_whoever_knows_one_of_the_secrets_takes_it_and_nobody_else() -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers([NEW, OLD], event="evt_1", timestamp=now, body=BODY)
    for secret in (OLD, NEW):
        StandardWebhook(secret_text(secret)).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(secret_text(OTHER)).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(secret_text(NEW)).verify(BODY + b" ", headers)


def test_a_derived_secret_is_one_of_its_webhook_and_request() -> None:
    made = {derive_secret(key, webhook, text) for key, webhook, text in product((b"a", b"b"), (1, 2), ("x", "y"))}
    assert len(made) == 8
    assert derive_secret(b"a", 1, "x") in made


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, Verdict.FAILED) for status in (100, 199, 300, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503)),
        (410, Verdict.GONE),
    ],
)
def test_only_2xx_is_a_delivery_and_410_is_a_goodbye(status: int, verdict: Verdict) -> None:
    assert judge(status) is verdict


def test_attempts_are_spread_over_the_pauses_and_come_to_an_end() -> None:
    retries = (timedelta(seconds=10), timedelta(hours=1))
    assert pause_before_next(1, retries, spread=0.5) == timedelta(seconds=10)
    assert pause_before_next(2, retries, spread=0.0) == timedelta(minutes=54)
    assert pause_before_next(2, retries, spread=1.0) == timedelta(minutes=66)
    assert pause_before_next(3, retries, spread=0.5) is None
    assert pause_before_next(1, (), spread=0.5) is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("0", 0), ("86400", 3600), ("9" * 30, 0), ("soon", 0), ("-5", 0)]
)
def test_a_receiver_may_ask_for_a_pause_within_reason(value: str, seconds: int) -> None:
    assert asked_pause({"retry-after": value}) == timedelta(seconds=seconds)


def test_a_delivery_that_ended_is_only_sent_again() -> None:
    for state in DeliveryState:
        assert move_delivery(DeliveryState.PENDING, state) is state
    for state in (DeliveryState.DELIVERED, DeliveryState.DEAD):
        assert move_delivery(state, DeliveryState.PENDING) is DeliveryState.PENDING
        for other in (DeliveryState.DELIVERED, DeliveryState.DEAD):
            with pytest.raises(IllegalMove):
                move_delivery(state, other)


def test_a_webhook_is_for_events_that_there_are() -> None:
    assert known_events([*CHOSEN_EVENTS, "*"])
    assert not known_events([EventType.TEST])
    assert not known_events(["image.eaten"])
