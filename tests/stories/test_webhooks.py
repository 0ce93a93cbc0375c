"""Webhooks: who wants to hear of what happens to images does, sooner or later, and nobody else."""

import contextlib
import io
import json
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError

import samples
from killing import started
from postgres import passable_directory
from product import Product, eventually, start_product
from receiver import Answering, Asked, Receiver, running_receiver
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.cli import main
from tintype.db.pool import Database, DatabaseConfig
from tintype.diagnosis.webhooks import webhook_deliveries
from tintype.usecases.sweep_webhooks import SweepWebhooks

HOOKS = "/api/v1/webhooks"
IMAGES = "/api/v1/images"
METADATA = "http://169.254.169.254/latest/meta-data/"

FAILING = Answering(500)
SOON = 10.0


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def product(receiver: Receiver) -> Iterator[Product]:
    environment = {
        "TINTYPE_OUTGOING__ALLOW": "127.0.0.1",
        "TINTYPE_OUTGOING__PORTS": f"80,443,9,{receiver.port}",
        "TINTYPE_WEBHOOKS__TIMEOUT_SECONDS": "1",
        "TINTYPE_WEBHOOKS__RETRIES": "1h,2h",
        "TINTYPE_API_PROCESSES": "1",
    }
    with (
        passable_directory() as directory,
        start_product(directory / "data", environment=environment) as running,
    ):
        yield running


class Hook:
    """A webhook whose receiver has a path of its own."""

    def __init__(self, product: Product, receiver: Receiver, answer: Answering, fields: dict[str, object]) -> None:
        self.product = product
        self.receiver = receiver
        self.path = f"/{secrets.token_hex(6)}"
        receiver.answer(self.path, answer)
        made = product.client.post(HOOKS, json={"url": receiver.url(self.path), **fields})
        assert made.status_code == 201, made.text
        self.secret = made.json()["secret"]
        self.there = f"{HOOKS}/{made.json()['id']}"

    @property
    def heard(self) -> list[Asked]:
        """What it was sent."""
        return self.receiver.of(self.path)

    def hears(self, count: int = 1) -> list[dict[str, Any]]:
        """Return what it is told, once it was told so often."""
        assert eventually(lambda: len(self.heard) >= count, within=SOON), self.deliveries()
        return [dict(json.loads(asked.body)) for asked in self.heard]

    def shown(self) -> dict[str, Any]:
        """Return the webhook."""
        return dict(self.product.client.get(self.there).json())

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        """Return its deliveries, newest first."""
        return list(self.product.client.get(f"{self.there}/deliveries", params=query).json()["items"])

    def delivery(self, **expected: object) -> dict[str, Any]:
        """Return its newest delivery, once it is as expected."""

        def holds() -> bool:
            found = self.deliveries()
            return bool(found) and expected.items() <= found[0].items()

        assert eventually(holds, within=SOON), self.deliveries()
        return self.deliveries()[0]

    def change(self, **fields: object) -> dict[str, Any]:
        """Change it, and return it."""
        answer = self.product.client.patch(self.there, json=fields)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def hurry(self) -> None:
        """Have what failed be due now, once its attempt is over."""

        def hurried() -> bool:
            return bool(
                self.product.query(
                    """UPDATE webhook_deliveries SET due_at = now()
                       WHERE state = 'pending' AND due_at > now() + interval '30 minutes' RETURNING 1"""
                )
            )

        assert eventually(hurried, within=SOON), self.deliveries()

    def test(self) -> dict[str, Any]:
        """Have it sent an event that says nothing, and return the delivery."""
        answer = self.product.client.post(f"{self.there}/test")
        assert answer.status_code == 202, answer.text
        return dict(answer.json())


Make = Callable[..., Hook]


def command(product: Product, *arguments: str) -> str:
    """Return what `tintype webhook` says on the machine."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["webhook", *arguments, "--data", str(product.data)]) == 0, said.getvalue()
    return said.getvalue()


@pytest.fixture
def hooks(product: Product, receiver: Receiver) -> Iterator[Make]:
    """Give what makes webhooks; they are gone after the test."""
    made: list[Hook] = []

    def make(answer: Answering | None = None, **fields: object) -> Hook:
        made.append(Hook(product, receiver, answer or Answering(), fields))
        return made[-1]

    yield make
    for hook in made:
        product.client.delete(hook.there)


def test_a_receiver_is_told_of_an_image_that_is_ready_and_can_prove_who_says_so(product: Product, hooks: Make) -> None:
    hook = hooks(events=["image.ready"])
    image = product.settled(product.upload(samples.jpeg(40, 30, seed=1), title="A cat"))
    (told,) = hook.hears()
    assert told["type"] == "image.ready"
    assert told["data"] == product.client.get(f"{IMAGES}/{image['id']}").json() | {"views": None}
    (asked,) = hook.heard
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == hook.delivery(state="delivered", status=200, attempts=1)["id"]
    assert StandardWebhook(hook.secret).verify(asked.body, dict(asked.headers)) == told
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(f"whsec_{secrets.token_hex(16)}").verify(asked.body, dict(asked.headers))


def test_the_whole_life_of_an_image_is_told_in_the_order_of_its_ids(product: Product, hooks: Make) -> None:
    hook = hooks()
    image = product.settled(product.upload(samples.jpeg(40, 30, seed=2), title="Secret words", anonymous=True))
    there = f"{IMAGES}/{image['id']}"
    hook.hears(1)
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("PATCH", there, {"json": {"alt": "x"}}),
        ("DELETE", there, {}),
        ("POST", f"{there}/restore", {}),
        ("PUT", f"{there}/content", {"content": samples.jpeg(30, 40, seed=3)}),
    )
    for count, (method, path, arguments) in enumerate(steps, start=2):
        assert product.client.request(method, path, **arguments).is_success
        hook.hears(count)
    hook.hears(6)  # and ready again
    assert product.client.delete(there, params={"purge": "true"}).status_code == 204
    hook.hears(7)
    by_id = {asked.headers["webhook-id"]: json.loads(asked.body) for asked in hook.heard}
    assert len(by_id) == 7
    told = [by_id[event] for event in sorted(by_id)]  # two that are due together may come in either order
    assert [event["type"] for event in told] == [
        *("image.ready", "image.updated", "image.trashed", "image.restored", "image.replaced", "image.ready"),
        "image.purged",
    ]
    states = [event["data"]["state"] for event in told]
    assert states == ["ready", "ready", "trashed", "ready", "processing", "ready", "purged"]
    assert not [asked for asked in hook.heard if b"ttw_" in asked.body or b"ttr_" in asked.body]
    assert set(told[-1]["data"]) == {"id", "state", "kind", "owner", "created_at", "purged_at"}


def test_a_purge_takes_what_was_said_of_the_image(product: Product, hooks: Make) -> None:
    hook = hooks(FAILING)
    image = product.settled(product.upload(samples.jpeg(40, 30, seed=4), title="Forget me"))
    hook.delivery(type="image.ready", attempts=1)
    product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"})
    hook.delivery(type="image.purged", attempts=1)
    assert [delivery["type"] for delivery in hook.deliveries()] == ["image.purged"]
    assert "Forget me" not in str(product.query("SELECT * FROM webhook_deliveries"))
    assert product.query("SELECT count(*) FROM outbox") == [(0,)]


def test_what_cannot_be_decoded_is_told_as_rejected(product: Product, hooks: Make) -> None:
    hook = hooks(events=["image.rejected", "image.failed"])
    product.upload(samples.undecodable_png())
    (told,) = hook.hears()
    assert (told["type"], told["data"]["state_reason"]) == ("image.rejected", "image.malformed")


def test_an_upload_that_turns_out_to_be_no_image_is_told_as_rejected(product: Product, hooks: Make) -> None:
    hook = hooks(events=["image.rejected"])
    said = {"method": "put", "filename": "a.jpg", "content_type": "image/jpeg", "size": 20, "title": "No picture"}
    reserved = product.client.post("/api/v1/uploads", json=said).json()
    way = reserved["upload"]
    put = httpx.request(way["method"], way["url"], content=b"<!doctype html>".ljust(20), headers=way["headers"])
    assert put.is_success, put.text
    token = {"upload-token": reserved["write_token"]}
    assert product.client.post(f"/api/v1/uploads/{reserved['id']}/complete", headers=token).is_success
    (told,) = hook.hears()
    shown = product.client.get(f"{IMAGES}/{reserved['image_id']}").json()
    assert told["data"] == shown | {"thumbnails": {}, "views": None}
    assert shown["state"] == "rejected"


def test_an_event_that_cannot_be_written_holds_up_no_other(product: Product, hooks: Make) -> None:
    hook = hooks(events=["image.trashed"])
    product.query(
        """INSERT INTO outbox (bucket, id, tenant, type, image, occurred_at, snapshot)
           SELECT 0, 1, id, 'image.trashed', 1, now(), '{}' FROM tenants WHERE slug = 'default'"""
    )
    image = product.upload(samples.jpeg(40, 30, seed=7))
    product.client.delete(f"{IMAGES}/{image['id']}")
    (told,) = hook.hears()
    assert told["data"]["id"] == image["id"]
    assert [line for line in product.log_lines() if line["event"] == "event_unreadable"]
    assert product.query("SELECT count(*) FROM outbox") == [(0,)]


def test_a_receiver_that_fails_is_tried_again_with_the_same_event(product: Product, hooks: Make) -> None:
    hook = hooks(FAILING, events=["image.trashed"])
    image = product.upload(samples.jpeg(40, 30, seed=5))
    product.client.delete(f"{IMAGES}/{image['id']}")
    waits = hook.delivery(state="pending", attempts=1, status=500, error="http.500")
    assert waits["next_attempt_at"] > waits["last_attempt_at"]
    assert hook.shown()["failing_since"] is not None
    hook.receiver.answer(hook.path, Answering(202))
    hook.hurry()
    hook.delivery(state="delivered", attempts=2, status=202, error=None)
    first, second = hook.heard
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert hook.shown()["failing_since"] is None


def test_what_is_given_up_is_seen_everywhere_and_can_be_sent_again(product: Product, hooks: Make) -> None:
    hook = hooks(FAILING)
    event = hook.test()["id"]
    hook.hurry()
    hook.hurry()
    assert hook.delivery(state="dead", attempts=3)["next_attempt_at"] is None
    assert [dead["id"] for dead in hook.deliveries(state="dead")] == [event]
    assert product.metric("tintype_webhook_dead") == 1
    assert product.metric("tintype_webhook_attempts_total", state="dead") >= 1
    assert product._superuser is not None
    (finding,) = webhook_deliveries(product._superuser)
    assert not finding.ok
    assert "1 were given up" in finding.detail
    dead = command(product, "dead")
    assert event in dead
    assert "http.500" in dead
    hook.receiver.answer(hook.path, Answering())
    assert command(product, "redeliver", event) == "1 event is sent again.\n"
    hook.delivery(id=event, state="delivered", attempts=1)
    assert {asked.headers["webhook-id"] for asked in hook.heard} == {event}
    sent = product.client.post(f"{hook.there}/deliveries/{event}/redeliver")
    assert (sent.status_code, sent.json()["state"]) == (202, "pending")
    hook.hears(5)
    assert hook.product.client.get(f"{hook.there}/deliveries/{event}").json()["body"] == hook.heard[0].body.decode()


def test_a_receiver_that_has_failed_for_days_is_switched_off_and_the_log_says_so(product: Product, hooks: Make) -> None:
    hook = hooks(FAILING)
    hook.test()
    hook.delivery(attempts=1)
    product.query("UPDATE webhooks SET failing_since = now() - interval '4 days'")
    hook.hurry()
    hook.hurry()
    assert eventually(lambda: not hook.shown()["enabled"], within=SOON)
    assert hook.shown()["disabled_reason"] == "failing"
    (entry,) = product.client.get("/api/v1/audit", params={"action": "webhook.disabled"}).json()["items"][:1]
    assert (entry["object"], entry["detail"]) == (hook.shown()["id"], {"reason": "failing"})
    assert product.client.post(f"{hook.there}/test").status_code == 409
    listed = command(product, "list")
    assert [line for line in listed.splitlines() if hook.shown()["id"] in line and "off (failing)" in line]
    command(product, "enable", hook.shown()["id"])
    assert (hook.shown()["enabled"], hook.shown()["failing_since"]) == (True, None)
    hook.receiver.answer(hook.path, Answering())
    hook.test()
    hook.delivery(state="delivered")


def test_a_receiver_that_is_gone_is_switched_off_at_once(hooks: Make) -> None:
    hook = hooks(Answering(410))
    hook.test()
    assert hook.delivery(state="dead")["status"] == 410
    assert (hook.shown()["enabled"], hook.shown()["disabled_reason"]) == (False, "gone")


def test_a_slow_receiver_is_left_and_holds_nobody_up(hooks: Make) -> None:
    slow, quick = hooks(), hooks()

    def much_later(_: Asked) -> Answering:
        slow.receiver.released.wait(3)
        return Answering()

    slow.receiver.answer(slow.path, much_later)
    for _ in range(6):
        slow.test()
    quick.test()
    quick.delivery(state="delivered")
    assert slow.delivery(error="receiver.timeout")["status"] is None


def test_a_redirect_is_not_followed_and_nothing_inside_is_called(product: Product, hooks: Make) -> None:
    hook = hooks(Answering(302, {"location": METADATA}))
    hook.test()
    hook.delivery(state="pending", status=302, error="http.302")
    inside = hooks()
    for url in ("http://127.0.0.1:9/", "http://nobody.invalid/"):
        inside.change(url=url)
        event = inside.test()["id"]
        inside.delivery(id=event, attempts=1, error="receiver.unreachable", status=None)
    for url in (METADATA, "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "ftp://example.org/", "http://a:b@c.d/"):
        answer = product.client.post(HOOKS, json={"url": url})
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["url"]), url


def test_while_a_secret_is_changed_both_sign(product: Product, hooks: Make) -> None:
    hook = hooks()
    rotated = product.client.post(f"{hook.there}/rotate-secret", json={"keep_old_for": 600})
    assert rotated.status_code == 201, rotated.text
    new = rotated.json()["secret"]
    assert new != hook.secret
    hook.test()
    hook.hears(1)
    for secret in (hook.secret, new):
        StandardWebhook(secret).verify(hook.heard[0].body, dict(hook.heard[0].headers))
    product.query("UPDATE webhooks SET old_secret_until = now() - interval '1 s' WHERE old_secret IS NOT NULL")
    hook.test()
    hook.hears(2)
    StandardWebhook(new).verify(hook.heard[1].body, dict(hook.heard[1].headers))
    with pytest.raises(WebhookVerificationError):
        StandardWebhook(hook.secret).verify(hook.heard[1].body, dict(hook.heard[1].headers))
    stored = str(product.query("SELECT secret, old_secret FROM webhooks"))
    assert new.removeprefix("whsec_") not in stored
    assert product.client.post(f"{hook.there}/rotate-secret", json={"keep_old_for": -1}).status_code == 422


def test_a_repeated_request_makes_one_webhook_and_one_secret(product: Product, receiver: Receiver) -> None:
    headers, body = {"idempotency-key": secrets.token_hex(8)}, {"url": receiver.url("/once")}
    first, again = (product.client.post(HOOKS, json=body, headers=headers) for _ in range(2))
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    there = f"{HOOKS}/{first.json()['id']}"
    headers = {"idempotency-key": secrets.token_hex(8)}
    rotated = [product.client.post(f"{there}/rotate-secret", headers=headers).json()["secret"] for _ in range(2)]
    assert rotated[0] == rotated[1] != first.json()["secret"]
    headers = {"idempotency-key": secrets.token_hex(8)}
    tested = [product.client.post(f"{there}/test", headers=headers).json()["id"] for _ in range(2)]
    assert tested[0] == tested[1]
    assert "secret" not in product.client.get(there).json()
    assert product.client.delete(there).status_code == 204


def test_who_did_not_ask_for_an_event_was_deleted_or_switched_off_hears_nothing(product: Product, hooks: Make) -> None:
    others, deleted, off, all_of_it = hooks(events=["image.failed"]), hooks(FAILING), hooks(), hooks()
    deleted.test()
    deleted.delivery(attempts=1)
    assert product.client.delete(deleted.there).status_code == 204
    off.change(enabled=False)
    product.upload(samples.jpeg(40, 30, seed=6))
    all_of_it.hears(1)
    all_of_it.delivery(state="delivered")
    assert (len(others.heard), len(deleted.heard), len(off.heard)) == (0, 1, 0)
    assert off.deliveries() == []
    assert product.client.get(deleted.there).status_code == 404


def test_a_suspended_tenant_is_told_nothing_until_it_is_resumed(product: Product, receiver: Receiver) -> None:
    made = product.client.post("/api/v1/tenants", json={"slug": f"t-{secrets.token_hex(5)}"}).json()
    receiver.answer("/suspended", FAILING)
    headers = {"authorization": f"Bearer {made['api_key']['secret']}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        there = f"{HOOKS}/{client.post(HOOKS, json={'url': receiver.url('/suspended')}).json()['id']}"
        client.post(f"{there}/test")
        assert eventually(lambda: len(receiver.of("/suspended")) == 1, within=SOON)
        assert product.client.post(f"/api/v1/tenants/{made['slug']}/suspend").status_code == 200
        product.query("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'")
        canary = product.client.post(HOOKS, json={"url": receiver.answer("/canary", Answering())}).json()["id"]
        product.client.post(f"{HOOKS}/{canary}/test")
        assert eventually(lambda: len(receiver.of("/canary")) == 1, within=SOON)  # what was due was looked at
        assert len(receiver.of("/suspended")) == 1
        product.client.post(f"/api/v1/tenants/{made['slug']}/resume")
        assert eventually(lambda: len(receiver.of("/suspended")) == 2, within=SOON)
        client.delete(there)
    product.client.delete(f"{HOOKS}/{canary}")


def test_what_a_killed_worker_had_in_hand_is_sent_by_the_next_one(product: Product, hooks: Make) -> None:
    hook = hooks()

    def too_late(_: Asked) -> Answering:
        hook.receiver.released.wait(0 if len(hook.heard) > 1 else 3)
        return Answering()

    hook.receiver.answer(hook.path, too_late)
    event = hook.test()["id"]
    hook.hears(1)
    (worker,) = started(product, "worker")
    os.kill(worker, signal.SIGKILL)
    assert hook.deliveries()[0]["state"] == "pending"
    product.query("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'")  # its lease ends
    hook.delivery(id=event, state="delivered", attempts=2)
    assert {asked.headers["webhook-id"] for asked in hook.heard} == {event}


def test_every_bad_field_is_named_and_a_change_can_be_conditional(product: Product, hooks: Make) -> None:
    answer = product.client.post(HOOKS, json={"url": "x", "events": ["image.eaten"], "description": "x" * 501})
    assert {error["field"] for error in answer.json()["errors"]} == {"url", "events", "description"}
    hook = hooks(description="Ours")
    etag = product.client.get(hook.there).headers["etag"]
    assert hook.change(events=["image.ready"])["events"] == ["image.ready"]
    late = product.client.patch(hook.there, json={"enabled": False}, headers={"if-match": etag})
    assert late.status_code == 412
    bad = product.client.patch(hook.there, json={"url": 7, "events": [], "enabled": "no", "secret": "mine"})
    assert {error["field"] for error in bad.json()["errors"]} == {"url", "events", "enabled", "secret"}
    assert hook.change(description=None)["description"] is None


def test_webhooks_and_deliveries_are_listed_newest_first_a_page_at_a_time(product: Product, hooks: Make) -> None:
    first, second = hooks(), hooks()
    ids = [hook.shown()["id"] for hook in (second, first)]
    page = product.client.get(HOOKS, params={"limit": 1}).json()
    assert [item["id"] for item in page["items"]] == ids[:1]
    more = product.client.get(HOOKS, params={"limit": 1, "cursor": page["next"]}).json()
    assert [item["id"] for item in more["items"]] == ids[1:]
    events = [first.test()["id"] for _ in range(3)]
    found = product.client.get(f"{first.there}/deliveries", params={"limit": 2}).json()
    assert [item["id"] for item in found["items"]] == sorted(events, reverse=True)[:2]
    rest = product.client.get(f"{first.there}/deliveries", params={"cursor": found["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (sorted(events)[:1], None)
    assert product.client.get(f"{first.there}/deliveries", params={"cursor": "x"}).status_code == 400


def swept(product: Product) -> Mapping[str, int]:
    """Return what the nightly sweep reports."""

    async def sweep() -> Mapping[str, int]:
        database = Database(DatabaseConfig(running_superuser_url(EmbeddedConfig(data=product.data)) or ""))
        await database.open()
        try:
            return await SweepWebhooks(database=database, keep=timedelta(days=30))()
        finally:
            await database.close()

    return anyio.run(sweep)


def test_what_is_old_is_swept_with_old_secrets(product: Product, hooks: Make) -> None:
    hook = hooks()
    hook.test()
    hook.delivery(state="delivered")
    product.client.post(f"{hook.there}/rotate-secret")
    product.query("DELETE FROM webhook_deliveries WHERE type <> 'webhook.test'")
    product.query("UPDATE webhook_deliveries SET occurred_at = now() - interval '31 days'")
    assert len(hook.deliveries()) == 1
    product.query("UPDATE webhooks SET old_secret_until = now() - interval '1 s' WHERE old_secret IS NOT NULL")
    assert swept(product) == {"deliveries": 1}
    assert hook.deliveries() == []
    assert product.query("SELECT count(*) FROM webhooks WHERE old_secret IS NOT NULL") == [(0,)]
