"""An upload is reserved, its bytes come in requests of their own, and it becomes an image like any other."""

import hashlib
from typing import Final

import httpx

import samples
from product import Product, eventually
from reserving import UPLOADS, abort, complete, look, reserve, send, send_parts, staged, uploaded

PHOTO: Final = samples.jpeg(60, 40, seed=880, gps=True)


def usage(product: Product) -> tuple[int, int]:
    shown = product.client.get("/api/v1/usage").json()
    return shown["bytes"], shown["images"]


def test_a_reserved_put_becomes_an_image_that_is_cleaned_and_ready(product: Product) -> None:
    before = usage(product)
    sha256 = hashlib.sha256(PHOTO).hexdigest()
    reserved = reserve(
        product.client, PHOTO, filename="beach.jpg", content_type="image/jpeg", sha256=sha256, title="Beach"
    )
    assert (reserved["state"], reserved["received"]) == ("requested", 0)
    assert usage(product) == (before[0] + len(PHOTO), before[1] + 1)
    sent = send(reserved, PHOTO)
    assert (sent.status_code, sent.headers["etag"]) == (200, f'"{sha256}"')
    assert (look(product, reserved)["state"], look(product, reserved)["received"]) == ("receiving", len(PHOTO))
    answer = complete(product, reserved)
    assert answer.status_code == 200
    assert answer.json()["id"] == reserved["image_id"]
    image = product.settled(answer.json())
    assert (image["state"], image["title"], image["format"]) == ("ready", "Beach", "jpeg")
    assert image["source_sha256"] == sha256
    assert image["sha256"] != sha256  # the place where it was taken is gone
    assert product.stranger.get(image["url"]).status_code == 200
    assert look(product, reserved)["state"] == "committed"
    assert usage(product) == (before[0] + image["bytes"], before[1] + 1)
    assert eventually(lambda: not staged(product))


def test_a_multipart_upload_is_sent_in_parts_and_resumed_from_what_is_there(product: Product) -> None:
    data = samples.png(60, 40, seed=881)
    padded = data + bytes(9 * 2**20 - len(data))  # two parts; what follows a picture's end is cut off
    reserved = reserve(product.client, padded, method="multipart")
    assert [part["size"] for part in reserved["parts"]] == [8 * 2**20, 2**20]
    first, second = reserved["parts"]
    sent = httpx.put(second["url"], content=padded[first["size"] :])
    there = look(product, reserved)
    assert [(part["number"], part["etag"]) for part in there["parts"]] == [(2, sent.headers["etag"])]
    missing = complete(product, reserved)
    assert (missing.status_code, missing.json()["code"]) == (409, "upload.bytes_missing")
    again = product.client.post(f"{UPLOADS}/{reserved['id']}/parts", json={"numbers": [1]}).json()["parts"]
    done = httpx.put(again[0]["url"], content=padded[: first["size"]])
    named = [{"number": 1, "etag": done.headers["etag"]}, {"number": 2, "etag": sent.headers["etag"]}]
    answer = complete(product, reserved, parts=named)
    assert answer.status_code == 200, answer.text
    image = product.settled(answer.json())
    assert (image["state"], image["bytes"]) == ("ready", len(data))


def test_completing_again_is_answered_with_the_same_image(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=882)
    reserved = reserve(product.stranger, data)
    assert send(reserved, data).status_code == 200
    first, second = complete(product, reserved), complete(product, reserved)
    assert first.json()["id"] == second.json()["id"] == reserved["image_id"]
    image = product.settled(first.json())
    third = complete(product, reserved)
    assert (third.status_code, third.json()["state"]) == (200, image["state"])


def test_the_write_token_of_an_anonymous_upload_deletes_its_image_and_that_of_a_key_does_not(product: Product) -> None:
    for client, status in ((product.stranger, 204), (product.client, 403)):
        data = samples.jpeg(60, 40, seed=883 + status)
        reserved = reserve(client, data)
        assert send(reserved, data).status_code == 200
        image = product.settled(complete(product, reserved).json())
        answer = product.stranger.delete(
            f"/api/v1/images/{image['id']}", headers={"upload-token": reserved["write_token"]}
        )
        assert answer.status_code == status


def test_a_bad_file_is_rejected_with_its_reason_and_nothing_of_it_is_kept(product: Product) -> None:
    before, data = usage(product), b"no picture at all" * 10
    reserved = reserve(product.client, data, content_type="image/png")
    assert send(reserved, data).status_code == 200
    assert complete(product, reserved).json()["state"] == "processing"
    image = product.settled({"id": reserved["image_id"]})
    assert (image["state"], image["state_reason"]) == ("rejected", "image.unsupported_format")
    assert (image["format"], image["bytes"]) == (None, None)
    assert look(product, reserved)["state_reason"] == "image.unsupported_format"
    assert product.stranger.get(f"/i/{image['id']}/original").status_code == 404
    assert usage(product) == before
    assert eventually(lambda: not staged(product))


def test_an_aborted_upload_returns_what_it_reserved_and_takes_no_more_bytes(product: Product) -> None:
    before, data = usage(product), samples.jpeg(60, 40, seed=885)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    assert staged(product)
    assert abort(product, reserved).status_code == 204
    assert usage(product) == before
    assert not staged(product)
    again = send(reserved, data)
    assert (again.status_code, again.json()["code"]) == (410, "upload.aborted")
    assert complete(product, reserved).json()["code"] == "upload.aborted"
    assert abort(product, reserved).status_code == 204


def test_a_repeated_reservation_is_answered_with_the_same_upload_and_reserves_nothing_more(product: Product) -> None:
    headers, body = {"idempotency-key": "the same trip"}, {"method": "put", "size": 1000}
    first = product.client.post(UPLOADS, json=body, headers=headers)
    before = usage(product)
    second = product.client.post(UPLOADS, json=body, headers=headers)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()
    assert usage(product) == before
    other = product.client.post(UPLOADS, json={**body, "size": 1001}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")


def test_the_parts_of_an_upload_make_up_the_file_whatever_order_they_come_in(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=886) + bytes(17 * 2**20)
    reserved = reserve(product.client, data[: 9 * 2**20], method="multipart")
    named = send_parts(reserved, data[: 9 * 2**20])
    wrong = complete(product, reserved, parts=named[::-1])
    assert (wrong.status_code, wrong.json()["code"]) == (422, "upload.parts_invalid")
    other = complete(product, reserved, parts=[named[0], {"number": 2, "etag": named[0]["etag"]}])
    assert (other.status_code, other.json()["code"]) == (422, "upload.parts_invalid")
    assert complete(product, reserved, parts=named).status_code == 200
    assert product.settled({"id": reserved["image_id"]})["state"] == "ready"


def test_a_picture_goes_the_whole_way_for_a_private_image_that_its_tokens_alone_open(product: Product) -> None:
    data = samples.png(60, 40, seed=887)
    reserved = reserve(product.stranger, data, visibility="private")
    assert send(reserved, data).status_code == 200
    image = f"/api/v1/images/{reserved['image_id']}"
    assert complete(product, reserved).status_code == 200
    assert product.stranger.get(image).status_code == 404
    assert product.stranger.get(image, params={"token": reserved["read_token"]}).status_code == 200
    product.settled({"id": reserved["image_id"]})
    assert product.stranger.get(image, params={"token": reserved["read_token"]}).json()["state"] == "ready"


def test_the_helpers_dance_ends_with_a_ready_image(product: Product) -> None:
    assert uploaded(product, product.client, samples.webp())["state"] == "ready"
