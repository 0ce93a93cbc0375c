"""Images that the server fetches: `POST /images` with a `source_url`."""

import hashlib
import secrets
import time
from collections.abc import Iterator

import httpx
import pytest

import samples
from postgres import passable_directory
from product import Product, start_product
from receiver import Answering, Receiver, running_receiver
from tintype_client import SourceFailed, Tintype

IMAGES = "/api/v1/images"
PICTURE = samples.jpeg(40, 30, seed=77)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def product(receiver: Receiver) -> Iterator[Product]:
    environment = {
        "TINTYPE_OUTGOING__ALLOW": "127.0.0.1",
        "TINTYPE_OUTGOING__PORTS": f"80,443,{receiver.port}",
        "TINTYPE_OUTGOING__FETCH_STALL_SECONDS": "0.5",
        "TINTYPE_OUTGOING__FETCH_CONCURRENT": "1",
        "TINTYPE_API_PROCESSES": "1",
    }
    with (
        passable_directory() as directory,
        start_product(directory / "data", environment=environment) as running,
    ):
        yield running


def imported(product: Product, url: str, **fields: object) -> httpx.Response:
    return product.client.post(IMAGES, json={"source_url": url, **fields})


def test_the_python_client_has_a_picture_fetched_and_says_what_is_wrong_with_its_source(
    product: Product, receiver: Receiver
) -> None:
    url = receiver.answer("/client.jpg", Answering(pieces=(PICTURE,)))
    with Tintype(product.base_url, product.api_key) as client:
        image = client.from_url(url, title="Fetched", attach_to=("page", "1"))
        assert (image.ready, image.title, image.attached_to) == (True, "Fetched", ("page", "1"))
        with pytest.raises(SourceFailed) as failed:
            client.from_url("http://there-is-no.invalid/cat.jpg")
    assert failed.value.code == "source.unreachable"


def kept(product: Product) -> tuple[set[str], list[tuple[object, ...]]]:
    """Return what there is of files and rows."""
    return product.files("blobs", "staging"), product.query("SELECT id FROM images UNION ALL SELECT bucket FROM blobs")


def test_a_picture_is_fetched_and_taken_in_as_if_it_had_been_sent(product: Product, receiver: Receiver) -> None:
    url = receiver.answer("/cat.jpg?size=1", Answering(headers={"content-type": "text/plain"}, pieces=(PICTURE,)))
    fields = {"title": "A cat", "tags": ["a", "b"], "is_public": False, "expires_in": 3600, "kind": "image"}
    answer = imported(product, url, **fields, sha256=hashlib.sha256(PICTURE).hexdigest())
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert answer.headers["location"].endswith(shown["id"])
    assert (shown["title"], shown["tags"], shown["visibility"]) == ("A cat", ["a", "b"], "unlisted")
    assert shown["source_sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert product.settled(shown)["state"] == "ready"
    (asked,) = receiver.of("/cat.jpg?size=1")
    assert asked.headers["user-agent"].startswith("Tintype/")
    assert not {"authorization", "cookie", "referer"} & set(asked.headers)


def test_redirects_are_followed(product: Product, receiver: Receiver) -> None:
    receiver.answer("/end.jpg", Answering(pieces=(PICTURE,)))
    url = receiver.answer("/moved.jpg", Answering(307, {"location": "end.jpg"}))
    assert imported(product, url).status_code == 201


REFUSED = {
    "a redirect to a cloud's credentials": (
        Answering(302, {"location": "http://169.254.169.254/latest/meta-data/"}),
        (422, "source.unreachable"),
    ),
    "a redirect to another port": (Answering(302, {"location": "http://127.0.0.1:5432/"}), (422, "source.refused")),
    "a redirect to itself": (Answering(302, {"location": "/source"}), (422, "source.refused")),
    "not found": (Answering(404, pieces=(PICTURE,)), (422, "source.refused")),
    "an error": (Answering(500), (422, "source.refused")),
    "no image": (Answering(pieces=(b"<!doctype html>" * 9,)), (415, "image.unsupported_format")),
    "a damaged image": (Answering(pieces=(PICTURE[: len(PICTURE) // 2],)), (422, "image.malformed")),
    "nothing": (Answering(), (422, "upload.empty")),
    "a length that is too large": (Answering(length=10_000_001, pieces=(PICTURE,)), (413, "image.too_large")),
    "more than it said": (
        Answering(length=-1, headers={"connection": "close"}, pieces=(PICTURE, b"\0" * 10_000_000)),
        (413, "image.too_large"),
    ),
    "the end before the end": (Answering(length=len(PICTURE), pieces=(PICTURE[:-9],)), (422, "source.incomplete")),
    "a long wait": (Answering(length=len(PICTURE), pieces=(PICTURE[:9],), hang=True), (422, "source.too_slow")),
    "packed bytes": (Answering(headers={"content-encoding": "gzip"}, pieces=(b"\x1f\x8b" * 99,)), (415, None)),
}


@pytest.mark.parametrize("source", REFUSED)
def test_a_source_that_gives_no_picture_is_refused_and_nothing_is_kept(
    product: Product, receiver: Receiver, source: str
) -> None:
    answering, (status, code) = REFUSED[source]
    before = kept(product)
    answer = imported(product, receiver.answer("/source", answering))
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
    assert kept(product) == before


def test_what_lies_in_the_networks_behind_the_server_is_not_told(product: Product, receiver: Receiver) -> None:
    inside = (
        *("http://10.0.0.1/", "http://192.168.1.1/a.jpg", "http://[::1]/", "http://[fd00::1]/", "http://0.0.0.0/"),
        *("http://169.254.169.254/latest/meta-data/", f"http://[::1]:{receiver.port}/", "http://nobody.invalid/"),
        *("http://[::ffff:10.0.0.1]/", "http://100.64.0.1/", "http://127.0.0.2/", "http://[2002:7f00:1::]/"),
    )
    before, began = len(receiver.asked), time.monotonic()
    answers = [imported(product, url) for url in inside]
    assert {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers} == {
        (422, "source.unreachable", answers[0].json()["detail"])
    }
    assert len(receiver.asked) == before
    assert time.monotonic() - began < 20
    logged = product.log.read_text()
    assert not [url for url in inside if url in logged]


@pytest.mark.parametrize(
    "body",
    [
        {"source_url": "ftp://example.org/a.jpg"},
        {"source_url": "http://me:secret@example.org/a.jpg"},
        {"source_url": "http://example.org:22/"},
        {"source_url": "http://2130706433/"},
        {"source_url": 7},
        {"title": "Nothing to fetch"},
    ],
)
def test_a_url_that_is_not_fetched_is_a_bad_field(product: Product, body: dict[str, object]) -> None:
    answer = product.client.post(IMAGES, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["source_url"]
    assert "secret" not in answer.text


def test_nothing_is_fetched_for_a_request_with_bad_fields(product: Product, receiver: Receiver) -> None:
    url = receiver.answer("/unasked.jpg", Answering(pieces=(PICTURE,)))
    answer = imported(product, url, title=5 * ["x"], visibility="everybody", sha256="x")
    assert {error["field"] for error in answer.json()["errors"]} == {"visibility", "sha256"}
    assert receiver.of("/unasked.jpg") == []


def test_other_bytes_than_those_that_were_announced_are_refused(product: Product, receiver: Receiver) -> None:
    url = receiver.answer("/other.jpg", Answering(pieces=(PICTURE,)))
    answer = imported(product, url, sha256="0" * 64)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload.checksum_mismatch")


def test_a_repeated_import_fetches_nothing_and_gets_the_same_answer(product: Product, receiver: Receiver) -> None:
    headers = {"idempotency-key": secrets.token_hex(8)}
    url = receiver.answer("/once.jpg", Answering(pieces=(PICTURE,)))
    first = product.client.post(IMAGES, json={"source_url": url}, headers=headers)
    receiver.answer("/once.jpg", Answering(404))
    again = product.client.post(IMAGES, json={"source_url": url}, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert len(receiver.of("/once.jpg")) == 1
    other = product.client.post(IMAGES, json={"source_url": url, "title": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")


def test_who_fetches_holds_one_of_few_places(product: Product, receiver: Receiver) -> None:
    answers: list[httpx.Response] = []

    def meanwhile(_: object) -> Answering:
        answers.append(imported(product, receiver.url("/cat.jpg?size=1")))
        return Answering(pieces=(PICTURE,))

    assert imported(product, receiver.answer("/busy.jpg", meanwhile)).status_code == 201
    assert [answer.status_code for answer in answers] == [503]
    assert "retry-after" in answers[0].headers


def test_strangers_import_as_they_upload(product: Product, receiver: Receiver) -> None:
    url = receiver.answer("/anonymous.jpg", Answering(pieces=(PICTURE,)))
    answer = product.stranger.post(IMAGES, json={"source_url": url})
    assert answer.status_code == 201
    assert answer.json()["delete_token"].startswith("ttw_")
