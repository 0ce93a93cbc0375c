"""Uploads that may be repeated: one key, one image, and the first answer again."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import anyio
import httpx
import pytest

import samples
from product import Product
from refusals import assert_problem, leaves_nothing
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.db.idempotency import sweep_answers
from tintype.db.pool import Database, DatabaseConfig

IMAGES: Final = "/api/v1/images"
JPEG: Final = samples.jpeg(seed=310)
OTHER: Final = samples.jpeg(seed=311)
PARALLEL: Final = 20


def new_key() -> str:
    return str(uuid.uuid4())


def post(client: httpx.Client, key: str, data: bytes = JPEG, **fields: str) -> httpx.Response:
    return client.post(IMAGES, files={"file": ("a.jpg", data)}, data=fields, headers={"idempotency-key": key})


def assert_replayed(answer: httpx.Response, first: httpx.Response) -> None:
    """Assert that the answer is the first one again."""
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (201, None), first.text
    assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (201, "true"), answer.text
    assert answer.json() == first.json()
    for name in ("location", "etag", "cache-control"):
        assert answer.headers[name] == first.headers[name]


def images(product: Product) -> int:
    return int(product.query("SELECT count(*) FROM images")[0][0])


def test_a_repeated_upload_gets_the_first_answer_again_and_makes_nothing(product: Product) -> None:
    key = new_key()
    first = post(product.client, key, title="Here", tags="a,b")
    assert product.settled(first.json())["state"] == "ready"
    with leaves_nothing(product):
        again = post(product.client, key, title="Here", tags="a,b")
    assert_replayed(again, first)
    assert again.json()["state"] == "processing"  # as it was said then


def test_what_counts_is_what_was_understood_and_not_how_it_was_sent(product: Product) -> None:
    key = new_key()
    first = post(product.client, key, title=" Here ", is_public="false")
    headers = {"idempotency-key": key, "content-type": "image/jpeg"}
    params = {"visibility": "unlisted", "title": "Here"}
    assert_replayed(product.client.post(IMAGES, content=JPEG, params=params, headers=headers), first)


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_stranger_gets_the_same_tokens_again_and_they_work(product: Product, visibility: str) -> None:
    key = new_key()
    first = post(product.stranger, key, visibility=visibility)
    again = post(product.stranger, key, visibility=visibility)
    assert_replayed(again, first)
    shown = again.json()
    assert ("read_token" in shown) == (visibility == "private")
    token = {"token": shown["read_token"]} if visibility == "private" else {}
    assert product.stranger.get(f"{IMAGES}/{shown['id']}", params=token).status_code == 200
    headers = {"upload-token": shown["delete_token"]}
    assert product.stranger.delete(f"{IMAGES}/{shown['id']}", headers=headers).status_code == 204


def test_no_token_is_kept_with_the_answer(product: Product) -> None:
    shown = post(product.stranger, new_key(), visibility="private", title="kept").json()
    rows = product.query("SELECT answer FROM idempotency_keys WHERE answer LIKE %s", f"%{shown['id']}%")
    assert len(rows) == 1
    assert "ttw_" not in rows[0][0]
    assert "ttr_" not in rows[0][0]


def different_requests() -> dict[str, tuple[bytes, dict[str, str]]]:
    return {
        "another file": (OTHER, {"title": "Here"}),
        "another title": (JPEG, {"title": "There"}),
        "no title": (JPEG, {}),
        "one field more": (JPEG, {"title": "Here", "alt": "A picture"}),
        "another kind": (JPEG, {"title": "Here", "kind": "post"}),
        "another visibility": (JPEG, {"title": "Here", "visibility": "private"}),
    }


@pytest.mark.parametrize("name", different_requests())
def test_another_request_with_the_key_is_refused_and_nothing_is_kept(product: Product, name: str) -> None:
    key = new_key()
    first = post(product.client, key, title="Here")
    product.settled(first.json())
    data, fields = different_requests()[name]
    with leaves_nothing(product):
        assert_problem(post(product.client, key, data, **fields), 409, "idempotency.mismatch")
    assert_replayed(post(product.client, key, title="Here"), first)


def test_a_key_belongs_to_its_caller(product: Product) -> None:
    key = new_key()
    ours, strangers = post(product.client, key), post(product.stranger, key)
    assert ours.json()["id"] != strangers.json()["id"]
    assert_replayed(post(product.client, key), ours)
    assert_replayed(post(product.stranger, key), strangers)
    assert "delete_token" not in post(product.client, key).json()


def test_a_failed_attempt_leaves_the_key_free(product: Product) -> None:
    key = new_key()
    assert_problem(post(product.client, key, b"no image at all"), 415, "image.unsupported_format")
    assert_problem(post(product.client, key, JPEG[:2_000]), 422, "image.malformed")
    assert_problem(post(product.client, key, JPEG, title="x" * 501), 422, "request.invalid")
    first = post(product.client, key, JPEG)
    assert_replayed(post(product.client, key, JPEG), first)


def at_once(product: Product, requests: list[dict[str, Any]], key: str) -> list[httpx.Response]:
    """Return the answers to uploads that run side by side, each on a connection of its own."""

    def send(arguments: dict[str, Any]) -> httpx.Response:
        headers = {"authorization": f"Bearer {product.api_key}"}
        with httpx.Client(base_url=product.base_url, timeout=60, headers=headers) as client:
            return post(client, key, **arguments)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_twenty_at_once_with_one_key_make_one_image(product: Product) -> None:
    before = images(product)
    answers = at_once(product, [{"data": JPEG, "title": "At once"}] * PARALLEL, new_key())
    assert Counter(answer.status_code for answer in answers) == {201: PARALLEL}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == PARALLEL - 1
    assert images(product) == before + 1


def test_of_different_requests_at_once_with_one_key_one_is_done(product: Product) -> None:
    before, key = images(product), new_key()
    requests = [{"data": samples.jpeg(seed=320 + number)} for number in range(6)]
    answers = at_once(product, requests, key)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: len(requests) - 1}
    assert images(product) == before + 1


BAD_KEYS: Final = {
    "empty": [""],
    "long": ["x" * 256],
    "tab": ["a\tb"],
    "a control character of Latin-1": ["a\x85b"],
    "two": ["one", "two"],
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_is_unreadable(product: Product, name: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1")) for key in BAD_KEYS[name]]
    headers.append((b"content-type", b"image/jpeg"))
    with leaves_nothing(product):
        assert_problem(product.client.post(IMAGES, content=JPEG, headers=headers), 400, "request.unreadable")


@pytest.mark.parametrize("key", ["a", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "with spaces, and / signs"])
def test_any_other_key_will_do(product: Product, key: str) -> None:
    first = post(product.client, key, title="Any")
    assert_replayed(post(product.client, key, title="Any"), first)


def test_the_image_lies_in_the_bucket_of_its_key(product: Product) -> None:
    image_id = post(product.client, new_key()).json()["id"]
    rows = product.query(
        """SELECT count(*) FROM idempotency_keys k JOIN images i ON i.bucket = k.bucket AND i.id = k.image
           WHERE k.answer LIKE %s""",
        f"%{image_id}%",
    )
    assert rows == [(1,)]


def make_older(product: Product, image_id: str, age: str) -> None:
    product.query(
        "UPDATE idempotency_keys SET created_at = now() - %s::interval WHERE answer LIKE %s", age, f"%{image_id}%"
    )


def is_kept(product: Product, image_id: str) -> bool:
    return bool(product.query("SELECT 1 FROM idempotency_keys WHERE answer LIKE %s", f"%{image_id}%"))


def test_after_a_day_the_key_is_free_again_swept_or_not(product: Product) -> None:
    key = new_key()
    first = post(product.client, key).json()["id"]
    make_older(product, first, "24 hours")
    second = post(product.client, key, OTHER)
    assert second.json()["id"] != first
    assert_replayed(post(product.client, key, OTHER), second)


def test_the_sweep_forgets_what_was_kept_for_a_day_and_nothing_else(product: Product) -> None:
    old, recent = (post(product.client, new_key()).json()["id"] for _ in range(2))
    make_older(product, old, "24 hours")
    make_older(product, recent, "23 hours 59 minutes")
    url = running_superuser_url(EmbeddedConfig(data=product.data))
    assert url is not None

    async def sweep() -> int:
        database = Database(DatabaseConfig(url))
        await database.open()
        async with database.lookup() as connection:
            swept = await sweep_answers(connection)
        await database.close()
        return swept

    assert anyio.run(sweep) == 1
    assert (is_kept(product, old), is_kept(product, recent)) == (False, True)


def test_a_deleted_image_is_not_made_again_and_nothing_of_it_is_kept_with_its_key(product: Product) -> None:
    key = new_key()
    image_id = post(product.client, key, title="canary-of-a-title").json()["id"]
    assert product.client.delete(f"{IMAGES}/{image_id}", params={"purge": "true"}).status_code == 204
    assert_problem(post(product.client, key, title="canary-of-a-title"), 410, "image.gone")
    assert product.query("SELECT 1 FROM idempotency_keys WHERE answer LIKE '%%canary-of-a-title%%'") == []


def test_sizes_that_are_made_on_request_are_answered_again_too(product: Product) -> None:
    image, key = product.settled(post(product.client, new_key()).json()), new_key()
    path, headers = f"{IMAGES}/{image['id']}/variants", {"idempotency-key": key}
    first = product.client.post(path, json={"preset": "large", "format": "webp"}, headers=headers)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False), first.text
    again = product.client.post(path, json={"preset": "large", "format": "webp"}, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (201, "true", first.json())
    other = product.client.post(path, json={"preset": "large", "format": "jpeg"}, headers=headers)
    assert_problem(other, 409, "idempotency.mismatch")
    assert_problem(post(product.client, key), 409, "idempotency.mismatch")
    bad = product.client.post(path, json={"preset": "large"}, headers={"idempotency-key": ""})
    assert_problem(bad, 400, "request.unreadable")
