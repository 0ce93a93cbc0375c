"""An image's progress as server-sent events, from either of two API processes, while its job runs in a third."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import pytest

import samples
from event_stream import followed, following
from postgres import passable_directory
from product import Product, eventually, start_product
from raw_http import connect
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
API_PROCESSES: Final = 2
PLACES_PER_IMAGE: Final = 6
PLACES: Final = 20
SOON: Final = 4.0
"""Seconds; sooner than a look now and then would find out what was not heard."""

STOP_SECONDS: Final = 8.0
"""A process that waited for its streams would be killed after 25."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    environment = {"TINTYPE_EVENTS__PLACES_PER_IMAGE": str(PLACES_PER_IMAGE), "TINTYPE_EVENTS__PLACES": str(PLACES)}
    arguments = ("--api-processes", str(API_PROCESSES))
    with (
        passable_directory() as directory,
        start_product(directory / "data", *arguments, environment=environment) as it,
    ):
        yield it


@pytest.fixture
def stopping() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data") as started:
        yield started


@contextmanager
def idle_workers(product: Product) -> Iterator[None]:
    """Keep the workers from doing anything: what is uploaded stays in work until the end of the block.

    Before it begins the last of an earlier test's streams has ended, so that streams can be counted.
    """
    assert eventually(lambda: open_streams(product) == 0)
    workers = [pid for pid, command in product.children().items() if "run-worker" in command]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def states(events: list[Any]) -> list[str]:
    return [event.data["state"] for event in events if event.name != "variant"]


def open_streams(product: Product) -> float:
    return product.metric("tintype_followers")


# What is told


def test_a_stream_tells_of_the_work_of_every_variant_and_of_the_end_and_ends(product: Product) -> None:
    with ThreadPoolExecutor() as pool:
        with idle_workers(product):
            image = product.upload(samples.jpeg(seed=1))
            asked = [pool.submit(followed, product.stranger, image["id"]) for _ in range(4)]
            assert eventually(lambda: open_streams(product) == len(asked))
        told = [each.result() for each in asked]
    for events in told:
        assert [event.name for event in events] == ["state", *["variant"] * 6, "state"]
        assert states(events) == ["processing", "ready"]
        made = {(event.data["variant"]["preset"], event.data["variant"]["format"]) for event in events[1:-1]}
        assert made == {(preset, fmt) for preset in ("thumb", "gallery", "medium") for fmt in ("jpeg", "webp")}
        assert {event.data["variant"]["state"] for event in events[1:-1]} == {"ready"}
        assert {event.data["id"] for event in events} == {image["id"]}
        assert events[-1].data == {**product.stranger.get(f"{IMAGES}/{image['id']}").json()}


def test_whoever_comes_after_the_end_is_told_all_at_once(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=2)))
    events = followed(product.stranger, image["id"])
    assert [event.name for event in events] == [*["variant"] * 6, "state"]
    assert events[-1].data["state"] == "ready"


def test_a_picture_that_cannot_be_shown_ends_with_failed(product: Product) -> None:
    image = product.upload(samples.undecodable_png())
    events = followed(product.client, image["id"])
    assert (events[-1].name, events[-1].data["state"]) == ("failed", "rejected")
    assert events[-1].data["state_reason"] == "image.malformed"


def test_no_stream_misses_the_end_however_close_it_comes(product: Product) -> None:
    for seed in range(12):
        image = product.upload(samples.jpeg(48, 48, seed=100 + seed))
        time.sleep(seed / 50)  # at the upload, in the middle, and about when the job ends
        started = time.monotonic()
        assert states(followed(product.stranger, image["id"]))[-1] == "ready"
        assert time.monotonic() - started < SOON


def test_the_owner_sees_in_events_what_the_owner_sees(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=4))
    assert followed(product.client, image["id"])[-1].data["source_sha256"] == image["source_sha256"]
    assert followed(product.stranger, image["id"])[-1].data["source_sha256"] is None


# Coming back


def test_whoever_comes_back_after_the_end_is_told_not_to(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=5))
    events = followed(product.stranger, image["id"])
    with following(product.stranger, image["id"], last=events[-1].id) as stream:
        assert (stream.answer.status_code, stream.answer.read()) == (204, b"")


def test_whoever_comes_back_in_the_middle_is_told_the_rest_and_nothing_twice(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=6)))
    events = followed(product.stranger, image["id"])
    for number, event in enumerate(events[:-1]):
        rest = followed(product.stranger, image["id"], last=event.id)
        assert [(later.name, later.id) for later in rest] == [(later.name, later.id) for later in events[number + 1 :]]
    with following(product.stranger, image["id"], last="nonsense") as stream:
        assert [event.id for event in stream] == [event.id for event in events]


def test_a_stream_says_how_soon_to_come_back(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=7))
    answer = product.stranger.get(f"{IMAGES}/{image['id']}/events")
    assert answer.text.startswith("retry: 2000\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"


# Who may, and what happens to the image meanwhile


def test_a_private_image_is_followed_with_its_token_alone(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=8), anonymous=True, visibility="private")
    path = f"{IMAGES}/{image['id']}/events"
    assert_problem(product.stranger.get(path), 404, "not_found")
    assert_problem(product.stranger.get(path, params={"token": image["delete_token"]}), 404, "not_found")
    assert states(followed(product.stranger, image["id"], token=image["read_token"]))[-1] == "ready"
    assert states(followed(product.client, image["id"]))[-1] == "ready"


def test_what_is_not_there_or_gone_is_refused_as_elsewhere(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=9))
    unknown = image["id"][:-1] + ("A" if image["id"][-1] != "A" else "B")
    assert_problem(product.stranger.get(f"{IMAGES}/{unknown}/events"), 404, "not_found")
    assert_problem(product.stranger.get(f"{IMAGES}/nonsense/events"), 404, "not_found")
    product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"})
    assert_problem(product.stranger.get(f"{IMAGES}/{image['id']}/events"), 410, "image.gone")


def test_a_delete_ends_the_stream_with_the_news(product: Product) -> None:
    with idle_workers(product), ThreadPoolExecutor() as pool:
        image = product.upload(samples.jpeg(seed=10))
        asked = [pool.submit(followed, product.stranger, image["id"]) for _ in range(4)]
        assert eventually(lambda: open_streams(product) == len(asked))
        assert product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code == 204
        for each in asked:
            events = each.result(timeout=SOON)
            assert states(events) == ["processing", "purged"]
            assert events[-1].data["sha256"] == ""


def test_an_image_that_becomes_private_ends_the_streams_of_strangers_without_a_word(product: Product) -> None:
    with idle_workers(product), ThreadPoolExecutor() as pool:
        image = product.upload(samples.jpeg(seed=11))
        stranger = pool.submit(followed, product.stranger, image["id"])
        assert eventually(lambda: open_streams(product) == 1)
        product.query("UPDATE images SET visibility = 'private' WHERE source_sha256 = %s", source(image))
        assert states(stranger.result(timeout=10)) == ["processing"]


def source(image: dict[str, Any]) -> bytes:
    return bytes.fromhex(image["source_sha256"])


# Trouble


def test_a_stream_that_nobody_notified_finds_out_by_itself(product: Product) -> None:
    with idle_workers(product), ThreadPoolExecutor() as pool:
        image = product.upload(samples.jpeg(seed=12))
        asked = pool.submit(followed, product.stranger, image["id"])
        assert eventually(lambda: open_streams(product) == 1)
        product.query(
            "UPDATE images SET state = 'failed', revision = revision + 1 WHERE source_sha256 = %s", source(image)
        )
        assert asked.result(timeout=10)[-1].name == "failed"


def test_a_stream_outlives_the_connection_that_hears_of_changes(product: Product) -> None:
    with ThreadPoolExecutor() as pool:
        with idle_workers(product):
            image = product.upload(samples.jpeg(seed=13))
            asked = pool.submit(followed, product.stranger, image["id"])
            assert eventually(lambda: open_streams(product) == 1)
            ended = product.query(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE query IN ('LISTEN tintype_images', 'SELECT 1')"""
            )
            assert len(ended) >= API_PROCESSES
        assert states(asked.result(timeout=30))[-1] == "ready"


def test_a_client_that_vanishes_leaves_nothing_behind(product: Product) -> None:
    with idle_workers(product):
        image = product.upload(samples.jpeg(seed=14))
        for _ in range(3 * PLACES_PER_IMAGE):
            with following(product.stranger, image["id"]) as stream:
                assert next(iter(stream)).data["state"] == "processing"
            with connect(product.base_url) as connection:
                connection.send(f"GET {IMAGES}/{image['id']}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert eventually(lambda: open_streams(product) == 0)
    assert "request_failed" not in {line["event"] for line in product.log_lines()}


def test_more_than_there_are_places_for_are_asked_to_come_later(product: Product) -> None:
    with idle_workers(product), ExitStack() as stack:
        image = product.upload(samples.jpeg(seed=15))
        refused: list[httpx.Response] = []
        for _ in range(API_PROCESSES * PLACES_PER_IMAGE + 3):  # more than both processes have
            stream = stack.enter_context(following(product.stranger, image["id"]))
            if stream.answer.status_code != httpx.codes.OK:
                stream.answer.read()
                refused.append(stream.answer)
        assert open_streams(product) <= API_PROCESSES * PLACES_PER_IMAGE
        assert refused
        for answer in refused:
            assert_problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
        other = product.upload(samples.jpeg(seed=16))
        with following(product.stranger, other["id"]) as stream:  # one image's crowd takes no other's place
            assert stream.answer.status_code == httpx.codes.OK


def test_the_head_of_a_stream_is_answered_at_once(product: Product) -> None:
    with idle_workers(product):
        image = product.upload(samples.jpeg(seed=17))
        answer = product.stranger.head(f"{IMAGES}/{image['id']}/events", timeout=10)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert eventually(lambda: open_streams(product) == 0)


def test_a_stream_is_logged_and_measured_when_it_ends(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=18))
    answer = product.stranger.get(f"{IMAGES}/{image['id']}/events", params={"token": "ttr_secret"})

    def mine() -> list[tuple[str, int]]:
        lines = [line for line in product.log_lines() if line.get("request_id") == answer.headers["x-request-id"]]
        return [(line["route"], line["status"]) for line in lines]

    assert eventually(lambda: mine() == [("/api/v1/images/{image_id}/events", 200)])  # it is written after the end
    assert "ttr_secret" not in product.log.read_text()


def test_a_server_that_stops_ends_its_streams_and_does_not_wait_for_them(stopping: Product) -> None:
    with idle_workers(stopping), ThreadPoolExecutor() as pool:
        image = stopping.upload(samples.jpeg(seed=19))
        patient = {"prefer": "wait=10"}
        waiting = pool.submit(stopping.stranger.get, f"{IMAGES}/{image['id']}", headers=patient)
        asked = pool.submit(followed, stopping.stranger, image["id"])
        assert eventually(lambda: open_streams(stopping) == 2)
        started = time.monotonic()
        api = next(pid for pid, command in stopping.children().items() if "run-api" in command)
        os.kill(api, signal.SIGTERM)
        assert states(asked.result(timeout=10)) == ["processing"]
        assert waiting.result(timeout=10).json()["state"] == "processing"
        assert eventually(lambda: api not in stopping.children())
        assert time.monotonic() - started < STOP_SECONDS


# Waiting without a stream


def test_an_image_in_work_says_when_to_ask_again_and_one_that_is_done_does_not(product: Product) -> None:
    with idle_workers(product):
        image = product.upload(samples.jpeg(seed=20))
        answer = product.stranger.get(f"{IMAGES}/{image['id']}")
        assert (answer.json()["state"], answer.headers["retry-after"]) == ("processing", "1")
    product.settled(image)
    assert "retry-after" not in product.stranger.get(f"{IMAGES}/{image['id']}").headers


def test_a_client_that_prefers_to_wait_gets_the_end(product: Product) -> None:
    sent = {"files": {"file": ("photo", samples.jpeg(seed=21))}, "headers": {"prefer": "wait=10"}}
    answer = product.stranger.post(IMAGES, **sent)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=10")
    assert answer.json()["state"] == "ready"
    assert answer.json()["delete_token"]
    image = product.upload(samples.jpeg(seed=22))
    answer = product.stranger.get(f"{IMAGES}/{image['id']}", headers={"prefer": 'respond-async, wait="9"'})
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("ready", "wait=9")
    assert "retry-after" not in answer.headers


def test_nobody_waits_for_longer_than_they_want(product: Product) -> None:
    with idle_workers(product):
        started = time.monotonic()
        sent = {"files": {"file": ("photo", samples.jpeg(seed=23))}, "headers": {"prefer": "wait=1"}}
        answer = product.stranger.post(IMAGES, **sent)  # type: ignore[arg-type]
        assert 1 <= time.monotonic() - started < SOON
        assert answer.json()["state"] == "processing"
        shown = product.stranger.get(f"{IMAGES}/{answer.json()['id']}", headers={"prefer": "respond-async"})
        assert shown.headers["preference-applied"] == "respond-async"
        assert shown.json()["state"] == "processing"
