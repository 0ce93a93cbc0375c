"""What an upload of several requests is refused for: with a documented code each time, and nothing of it is kept."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

import samples
from actors import Asker, Askers, everybody
from product import Product, eventually
from refusals import assert_problem, leaves_nothing
from reserving import UPLOADS, abort, complete, look, number, reserve, send
from tintype.domain.ids import public_id

PHOTO: Final = samples.jpeg(40, 30, seed=950)
LIKE: Final = {"method": "put", "size": len(PHOTO)}


@pytest.fixture(scope="module")
def askers(product: Product) -> Iterator[Askers]:
    with everybody(product) as found:
        yield found


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"size": 0}, 422, "upload.empty", ""),
        ({"size": 10_000_001}, 413, "image.too_large", ""),
        (
            {"size": 5_000_001, "kind": "avatar", "attach_to": {"type": "account", "id": "x"}},
            413,
            "image.too_large",
            "",
        ),
        ({"content_type": "application/pdf"}, 415, "image.unsupported_format", ""),
        ({"content_type": "no type"}, 422, "request.invalid", "content_type"),
        ({"size": None}, 422, "request.invalid", "size"),
        ({"size": -1}, 422, "request.invalid", "size"),
        ({"size": True}, 422, "request.invalid", "size"),
        ({"size": 1 << 70}, 422, "request.invalid", "size"),
        ({"method": "carrier pigeon"}, 422, "request.invalid", "method"),
        ({"kind": "no kind"}, 422, "request.invalid", "kind"),
        ({"sha256": "00"}, 422, "request.invalid", "sha256"),
        ({"filename": "../../etc/passwd"}, 422, "request.invalid", "filename"),
        ({"filename": "a\\b.jpg"}, 422, "request.invalid", "filename"),
        ({"filename": ".."}, 422, "request.invalid", "filename"),
        ({"filename": "a\0.jpg"}, 422, "request.invalid", "filename"),
        ({"tags": [1]}, 422, "request.invalid", "tags"),
        ({"attach_to": {"type": "album"}}, 422, "request.invalid", "attach_to"),
        ({"kind": "avatar"}, 422, "request.invalid", "attach_to"),
        ({"visibility": "followers"}, 422, "request.invalid", "visibility"),
        ({"visibility": "private", "is_public": False}, 422, "request.invalid", "is_public"),
        ({"expires_in": 0}, 422, "request.invalid", "expires_in"),
        ({"state": "committed"}, 422, "request.invalid", "state"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_a_byte_comes(
    product: Product, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    before = product.query("SELECT count(*) FROM uploads")
    answer = product.stranger.post(UPLOADS, json={**LIKE, **body})
    problem = assert_problem(answer, status, code)
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])
    assert product.query("SELECT count(*) FROM uploads") == before


def test_an_address_takes_what_it_was_made_for_and_nothing_else(product: Product) -> None:
    reserved = reserve(product.client, PHOTO, content_type="image/jpeg")
    other = reserve(product.client, PHOTO)
    url = reserved["upload"]["url"]
    path, _, query = url.partition("?")
    headers = reserved["upload"]["headers"]
    with leaves_nothing(product):
        for changed in (
            path,
            f"{path}?{query[:-1]}",
            url.replace("exp=", "exp=9"),
            f"{path}?exp=x&sig=y",
            f"{url}z",
        ):
            assert_problem(httpx.put(changed, content=PHOTO, headers=headers), 403, "upload.link_invalid")
        swapped = url.replace(reserved["id"], other["id"])
        assert_problem(httpx.put(swapped, content=PHOTO, headers=headers), 403, "upload.link_invalid")
        parts = url.replace("/content", "/parts/1")
        assert_problem(httpx.put(parts, content=PHOTO, headers=headers), 403, "upload.link_invalid")
        unknown = url.replace(reserved["id"], "upl_00000000001")
        assert_problem(httpx.put(unknown, content=PHOTO, headers=headers), 403, "upload.link_invalid")
        for content, media_type in ((PHOTO + b"!", "image/jpeg"), (PHOTO[:-1], "image/jpeg"), (PHOTO, "text/html")):
            answer = httpx.put(url, content=content, headers={"content-type": media_type})
            assert_problem(answer, 403, "upload.link_invalid")
        assert_problem(httpx.put(url, content=PHOTO), 403, "upload.link_invalid")  # without the type
    assert look(product, reserved)["state"] == "requested"
    assert send(reserved, PHOTO).status_code == 200


def test_bytes_that_are_too_many_too_few_or_others_are_refused(product: Product) -> None:
    sha256 = hashlib.sha256(PHOTO).hexdigest()
    reserved, free = reserve(product.client, PHOTO, sha256=sha256), reserve(product.client, PHOTO)
    other = PHOTO[:-1] + b"!"
    with leaves_nothing(product):
        assert_problem(send(reserved, other, **{"Content-Digest": ""}), 422, "upload.checksum_mismatch")
        assert_problem(send(reserved, other), 422, "upload.checksum_mismatch")
        wrong = {"Content-Digest": reserved["upload"]["headers"]["Content-Digest"]}
        assert_problem(send(free, other, **wrong), 422, "upload.checksum_mismatch")
        for content in (PHOTO + b"!", PHOTO[:-1]):  # in chunks, whose number no header tells
            answer = httpx.put(free["upload"]["url"], content=iter([content]))
            assert_problem(answer, 422, "upload.size_mismatch")
    assert (look(product, free)["received"], look(product, reserved)["received"]) == (0, 0)


def test_a_checksum_that_lies_about_the_whole_ends_as_rejected(product: Product) -> None:
    data = samples.jpeg(40, 30, seed=951)
    reserved = reserve(product.client, data, method="multipart", sha256="0" * 64)
    assert httpx.put(reserved["parts"][0]["url"], content=data).status_code == 200
    assert complete(product, reserved).status_code == 200
    image = product.settled({"id": reserved["image_id"]})
    assert (image["state"], image["state_reason"]) == ("rejected", "upload.checksum_mismatch")
    assert complete(product, reserved).json()["state"] == "rejected"


def test_only_its_own_write_token_its_account_or_its_key_completes_and_aborts(product: Product, askers: Askers) -> None:
    listed, hidden = (reserve(product.client, PHOTO, visibility=seen) for seen in ("public", "private"))
    other = reserve(product.client, PHOTO)
    stranger = askers.clients[Asker.STRANGER]

    def asked(client: httpx.Client, reserved: dict[str, Any], token: str | None) -> list[httpx.Response]:
        path, headers = f"{UPLOADS}/{reserved['id']}", {"upload-token": token} if token else {}
        complete_it = client.post(f"{path}/complete", headers=headers)
        parts = client.post(f"{path}/parts", headers=headers, json={"numbers": [1]})
        return [complete_it, parts, client.delete(path, headers=headers)]

    for token in (None, other["write_token"], listed["read_token"], listed["write_token"][:-1]):
        for answer in (*asked(product.stranger, listed, token), *asked(product.stranger, hidden, token)):
            assert_problem(answer, 404, "not_found")  # an upload is nobody else's business, whoever sees its image
    for answer in asked(stranger, hidden, None):
        assert_problem(answer, 404, "not_found")
    looked = product.stranger.get(f"{UPLOADS}/{listed['id']}", params={"token": other["read_token"]})
    assert_problem(looked, 404, "not_found")
    assert product.stranger.get(f"{UPLOADS}/{hidden['id']}", params={"token": hidden["read_token"]}).is_success
    assert look(product, listed)["state"] == "requested"


def test_completing_before_the_bytes_are_there_is_refused_and_harms_nothing(product: Product) -> None:
    reserved = reserve(product.client, PHOTO)
    assert_problem(complete(product, reserved), 409, "upload.bytes_missing")
    assert send(reserved, PHOTO).status_code == 200
    for parts in ("all of them", [{"number": 1}], [{"number": "1", "etag": "x"}]):
        assert_problem(complete(product, reserved, parts=parts), 422, "request.invalid")
    assert complete(product, reserved).status_code == 200
    assert_problem(send(reserved, PHOTO), 409, "conflict")
    assert product.settled({"id": reserved["image_id"]})["state"] == "ready"
    assert_problem(abort(product, reserved), 409, "conflict")


def test_parts_that_there_are_not_are_refused(product: Product) -> None:
    reserved = reserve(product.client, bytes(9 * 2**20), method="multipart")
    path = f"{UPLOADS}/{reserved['id']}/parts"
    for numbers in ([0], [3], [-1]):
        assert_problem(product.client.post(path, json={"numbers": numbers}), 422, "upload.parts_invalid")
    bodies: list[dict[str, Any]] = [{}, {"numbers": []}, {"numbers": [1] * 101}, {"numbers": ["1"]}, {"numbers": "1"}]
    for body in bodies:
        assert_problem(product.client.post(path, json=body), 422, "request.invalid")
    first = reserved["parts"][0]
    assert_problem(httpx.put(first["url"], content=b"short"), 403, "upload.link_invalid")
    assert_problem(httpx.put(first["url"].replace("/1?", "/2?"), content=bytes(2**20)), 403, "upload.link_invalid")


def test_a_reservation_whose_account_is_closed_meanwhile_comes_to_nothing(product: Product, askers: Askers) -> None:
    owner = askers.clients[Asker.OTHER_ACCOUNT]
    reserved = reserve(owner, PHOTO)
    assert send(reserved, PHOTO).status_code == 200
    upload = number(reserved)
    product.query(
        "UPDATE accounts SET state = 'suspended' WHERE id = (SELECT owner FROM uploads WHERE id = %s)", upload
    )
    try:
        complete(product, reserved)
        ended = "SELECT state_reason FROM uploads WHERE id = %s AND ended_at IS NOT NULL"
        assert eventually(lambda: product.query(ended, upload) == [("auth.required",)], within=20)
    finally:
        product.query(
            "UPDATE accounts SET state = 'active' WHERE id = (SELECT owner FROM uploads WHERE id = %s)", upload
        )


def test_two_hundred_at_once_at_the_edge_of_a_quota_never_pass_it(product: Product, askers: Askers) -> None:
    other, whose = askers.clients[Asker.OTHER_KEY], {"tenant": public_id("ten_", askers.other_tenant)}
    kept = other.get("/api/v1/usage").json()
    room = 7
    quota = {"max_bytes": kept["bytes"] + room * len(PHOTO) + 5, "max_images": None}
    assert product.client.put("/api/v1/quota", params=whose, json=quota).is_success
    try:
        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: other.post(UPLOADS, json=LIKE), range(200)))
        taken = [answer.json() for answer in answers if answer.status_code == 201]
        refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
        assert (len(taken), refused) == (room, {"quota.exceeded"})
        for reserved in taken[1:]:
            assert send(reserved, PHOTO).status_code == 200
            assert complete(product, reserved).status_code == 200
        states = "SELECT state FROM uploads WHERE id = ANY (%s)"
        ids = [number(reserved) for reserved in taken[1:]]
        assert eventually(lambda: set(product.query(states, ids)) == {("committed",)}, within=20)
        assert other.get("/api/v1/usage").json()["bytes"] <= quota["max_bytes"]
        assert_problem(other.post("/api/v1/images", content=samples.jpeg(640, 480, seed=1)), 403, "quota.exceeded")
        assert abort(product, taken[0]).status_code == 204
        again = other.post(UPLOADS, json=LIKE)
        assert again.status_code == 201
        assert abort(product, again.json()).status_code == 204
    finally:
        unlimited = {"max_bytes": None, "max_images": None}
        assert product.client.put("/api/v1/quota", params=whose, json=unlimited).is_success
