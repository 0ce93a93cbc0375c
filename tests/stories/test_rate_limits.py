"""What callers may send: counted in the database, so that every API process counts with one pencil."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import pytest

import samples
from postgres import Server, fresh_database, passable_directory
from product import Product, start_product
from receiver import Answering, Receiver, running_receiver
from refusals import assert_problem, leaves_nothing
from resumable import TUS, VERSION, begin, send

IMAGES: Final = "/api/v1/images"
REQUESTS: Final = 4
BYTES: Final = 100_000
JPEG: Final = samples.jpeg(seed=360)
PROXY: Final = "127.0.0.1"

SETTINGS: Final = {
    "TINTYPE_RATE_LIMITS": "on",
    "TINTYPE_TRUSTED_PROXIES": PROXY,
    "TINTYPE_LIMITS__ADDRESS__REQUESTS": str(REQUESTS),
    "TINTYPE_LIMITS__ADDRESS__REQUESTS_PER_MINUTE": "0.5",
    "TINTYPE_LIMITS__ADDRESS__BYTES": str(BYTES),
    "TINTYPE_LIMITS__ADDRESS__BYTES_PER_MINUTE": "6000",
    "TINTYPE_LIMITS__KEY__REQUESTS": "1000",
    "TINTYPE_LIMITS__KEY__REQUESTS_PER_MINUTE": "1",
    "TINTYPE_LIMITS__KEY__BYTES": "0",
    "TINTYPE_LIMITS__KEY__BYTES_PER_MINUTE": "0",
    "TINTYPE_LIMITS__TENANT__REQUESTS": "500",
    "TINTYPE_LIMITS__TENANT__REQUESTS_PER_MINUTE": "1",
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def product(receiver: Receiver) -> Iterator[Product]:
    """Give a product of two API processes behind a proxy, which is us: each test is visitors of its own."""
    reaching = {"TINTYPE_OUTGOING__ALLOW": "127.0.0.1", "TINTYPE_OUTGOING__PORTS": f"80,{receiver.port}"}
    with (
        passable_directory() as directory,
        start_product(directory / "data", "--api-processes", "2", environment={**SETTINGS, **reaching}) as running,
    ):
        yield running


def post(product: Product, visitor: str, data: bytes = JPEG) -> httpx.Response:
    """Upload on a connection of its own: whichever process accepts it."""
    with httpx.Client(base_url=product.base_url, timeout=30) as client:
        return client.post(IMAGES, content=data, headers={"x-forwarded-for": visitor, "content-type": "image/jpeg"})


def allowances(answer: httpx.Response) -> dict[str, dict[str, int]]:
    """Return what `RateLimit` and `RateLimit-Policy` say: policy → parameter → number."""
    found: dict[str, dict[str, int]] = {}
    for field in ("ratelimit-policy", "ratelimit"):
        for item in answer.headers[field].split(", "):
            name, *parameters = item.split(";")
            numbers = (parameter.split("=") for parameter in parameters if '"' not in parameter)
            found.setdefault(name.strip('"'), {}).update({key: int(value) for key, value in numbers})
    return found


def test_the_burst_passes_and_the_next_is_told_when_to_come_again(product: Product) -> None:
    passed = [post(product, "192.0.2.1") for _ in range(REQUESTS)]
    assert [answer.status_code for answer in passed] == [201] * REQUESTS
    assert [allowances(answer)["address"]["r"] for answer in passed] == [3, 2, 1, 0]
    for answer in passed:
        product.settled(answer.json())
    with leaves_nothing(product):
        refused = post(product, "192.0.2.1")
    problem = assert_problem(refused, 429, "rate_limited")
    wait = int(refused.headers["retry-after"])
    assert 60 < wait <= 120
    assert f"{wait} s" in problem["detail"]
    assert allowances(refused)["address"] == {"q": REQUESTS, "w": 480, "r": 0, "t": wait}


def test_twenty_at_once_pass_no_more_than_the_burst_whichever_process_they_reach(product: Product) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(product, "192.0.2.2"), range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: REQUESTS, 429: 20 - REQUESTS}


def test_an_import_by_url_is_an_upload_of_the_bytes_that_were_fetched(product: Product, receiver: Receiver) -> None:
    def imported(visitor: str, url: str) -> httpx.Response:
        return product.stranger.post(IMAGES, json={"source_url": url}, headers={"x-forwarded-for": visitor})

    refused = [imported("192.0.2.40", "http://10.0.0.1/") for _ in range(REQUESTS + 1)]
    assert [answer.status_code for answer in refused] == [422] * REQUESTS + [429]
    picture = samples.jpeg(40, 30, seed=361) + b"\0" * BYTES
    url = receiver.answer("/large.jpg", Answering(pieces=(picture,)))
    assert imported("192.0.2.41", url).status_code == 201
    assert_problem(imported("192.0.2.41", url), 429, "rate_limited")
    assert len(receiver.of("/large.jpg")) == 1


def test_every_visitor_behind_a_trusted_proxy_has_an_allowance(product: Product) -> None:
    for visitor in ("192.0.2.3", "2001:db8:0:3::1"):
        assert allowances(post(product, visitor))["address"]["r"] == REQUESTS - 1
    assert allowances(post(product, "2001:db8:0:3:ffff::1"))["address"]["r"] == REQUESTS - 2  # of the same /64
    spoofed = post(product, "198.51.100.77, 192.0.2.3")
    assert allowances(spoofed)["address"]["r"] == REQUESTS - 2


def test_bytes_are_counted_too_and_a_refusal_takes_neither(product: Product) -> None:
    large = samples.jpeg(seed=361) + bytes(60_000)  # what follows the end is dropped: no matter here
    first = post(product, "192.0.2.4", large)
    assert first.status_code == 201, first.text
    assert allowances(first)["address-bytes"]["r"] <= BYTES - len(large) + 100
    refused = post(product, "192.0.2.4", large)
    problem = assert_problem(refused, 429, "rate_limited")
    assert "bytes" in problem["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= (2 * len(large) - BYTES) // 100 + 1
    assert allowances(refused)["address"]["r"] == REQUESTS - 1
    assert allowances(refused)["address-bytes"]["r"] < len(large)
    assert 'qu="content-bytes"' in refused.headers["ratelimit-policy"]
    assert post(product, "192.0.2.4").status_code == 201


def test_a_body_that_declares_no_length_is_counted_when_it_has_come(product: Product) -> None:
    def in_chunks(visitor: str, size: int) -> httpx.Response:
        pieces = iter([JPEG, bytes(size - len(JPEG))])
        with httpx.Client(base_url=product.base_url, timeout=30) as client:
            headers = {"x-forwarded-for": visitor, "content-type": "image/jpeg"}
            return client.post(IMAGES, content=pieces, headers=headers)

    assert in_chunks("192.0.2.5", BYTES + 30_000).status_code == 201  # nobody knew
    refused = in_chunks("192.0.2.5", 30_000)
    assert_problem(refused, 429, "rate_limited")
    assert 200 < int(refused.headers["retry-after"]) <= 301  # until what was owed is there


def test_a_refused_upload_counts_as_well(product: Product) -> None:
    for _ in range(REQUESTS):
        assert post(product, "192.0.2.6", b"no image at all").status_code == 415
    assert_problem(post(product, "192.0.2.6"), 429, "rate_limited")


def test_a_key_has_an_allowance_of_its_own_wherever_it_is_used(product: Product) -> None:
    answers = [product.client.post(IMAGES, content=JPEG) for _ in range(REQUESTS + 2)]
    assert {answer.status_code for answer in answers} == {201}
    told = allowances(answers[-1])
    assert set(told) == {"key", "tenant"}
    assert told["key"]["q"] == 1000
    assert allowances(answers[0])["key"]["r"] - told["key"]["r"] >= REQUESTS


def test_time_gives_back_what_was_taken(product: Product) -> None:
    visitor = "192.0.2.7"
    for _ in range(REQUESTS):
        post(product, visitor)
    assert post(product, visitor).status_code == 429
    product.query("UPDATE rate_buckets SET at = at - interval '121 seconds' WHERE subject LIKE %s", f"%{visitor} %")
    assert [post(product, visitor).status_code for _ in range(2)] == [201, 429]


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(product: Product) -> None:
    visitor = "192.0.2.8"
    assert allowances(post(product, visitor))["address"]["r"] == REQUESTS - 1
    product.query("UPDATE rate_buckets SET at = at + interval '1 hour' WHERE subject LIKE %s", f"%{visitor} %")
    assert allowances(post(product, visitor))["address"]["r"] == REQUESTS - 2


def test_reading_and_deleting_are_not_counted(product: Product) -> None:
    image = post(product, "192.0.2.9").json()
    before = product.query("SELECT count(*) FROM rate_buckets")
    headers = {"x-forwarded-for": "192.0.2.10"}
    for _ in range(REQUESTS * 3):
        assert product.stranger.get(f"{IMAGES}/{image['id']}", headers=headers).status_code == 200
        assert product.stranger.get(image["url"], headers=headers).status_code == 200
    token = {"upload-token": image["delete_token"]}
    assert product.stranger.delete(f"{IMAGES}/{image['id']}", headers={**headers, **token}).status_code == 204
    assert product.query("SELECT count(*) FROM rate_buckets") == before


def test_the_table_survives_no_crash_and_the_application_cannot_read_it(product: Product) -> None:
    (persistence,) = product.query("SELECT relpersistence FROM pg_class WHERE relname = 'rate_buckets'")
    assert persistence == ("u",)
    granted = product.query(
        "SELECT has_table_privilege('tintype_app', 'rate_buckets', 'SELECT, INSERT, UPDATE, DELETE')"
    )
    assert granted == [(False,)]


def test_all_of_a_tenant_together_are_limited_where_that_is_set(product: Product) -> None:
    product.query("UPDATE rate_buckets SET tokens = 0.5 WHERE subject LIKE 'tenant %%'")
    try:
        refused = product.client.post(IMAGES, content=JPEG)
        assert "on this site" in assert_problem(refused, 429, "rate_limited")["detail"]
        assert_problem(post(product, "192.0.2.11"), 429, "rate_limited")
    finally:
        product.query("DELETE FROM rate_buckets WHERE subject LIKE 'tenant %%'")
    assert allowances(post(product, "192.0.2.11"))["address"]["r"] == REQUESTS - 1  # the refused one cost nothing


def test_a_bucket_that_is_full_again_is_swept_and_another_is_not(product: Product) -> None:
    for visitor in ("192.0.2.12", "192.0.2.13"):
        assert post(product, visitor).status_code == 201
    product.query("UPDATE rate_buckets SET at = at - interval '2 days' WHERE subject LIKE '%%192.0.2.12 %%'")
    product.query("SELECT sweep_rate_buckets()")
    left = {subject for (subject,) in product.query("SELECT subject FROM rate_buckets")}
    assert [any(f" {visitor} " in subject for subject in left) for visitor in ("192.0.2.12", "192.0.2.13")] == [
        False,
        True,
    ]


def test_off_is_off(embedded_server: Server) -> None:
    environment = {**SETTINGS, "TINTYPE_DATABASE_URL": fresh_database(embedded_server), "TINTYPE_RATE_LIMITS": "off"}
    with passable_directory() as directory, start_product(directory / "data", environment=environment) as running:
        answers = [post(running, "192.0.2.1") for _ in range(REQUESTS + 2)]
    assert {answer.status_code for answer in answers} == {201}
    assert not {name for answer in answers for name in answer.headers if re.match("ratelimit", name)}


def test_a_resumable_upload_is_counted_when_it_is_announced_and_its_length_when_that_is(product: Product) -> None:
    visitor, other = {"x-forwarded-for": "192.0.2.77"}, {"x-forwarded-for": "192.0.2.78"}
    announced = {**VERSION, "upload-length": str(BYTES - 1_000)}
    assert product.stranger.post(TUS, headers={**announced, **visitor}).status_code == 201
    assert_problem(product.stranger.post(TUS, headers={**announced, **visitor}), 429, "rate_limited")
    path = begin(product.stranger, None, other)
    assert send(product.stranger, path, 0, JPEG[:2_000], other).status_code == 204
    length = {"upload-length": str(BYTES + 1_000)}
    assert_problem(send(product.stranger, path, 2_000, b"", {**other, **length}), 429, "rate_limited")
    assert send(product.stranger, path, 2_000, JPEG[2_000:4_000], other).status_code == 204
