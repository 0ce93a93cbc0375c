"""An upload is reserved, its bytes come in requests of their own, and it becomes an image like any other."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import anyio
import httpx
import pytest

import samples
from event_stream import following
from killing import WORKER, frozen, started
from persons import person
from product import Product, eventually, own_product
from refusals import assert_problem
from reserving import UPLOADS, abort, complete, look, number, reserve, send, send_parts, staged, sweep
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.domain.garbage import Garbage
from tintype.domain.invariant import Invariant
from tintype.domain.purge import Purge
from tintype.storage.purge_journal import PurgeJournal
from upkeep import collect, replay, verified

PHOTO: Final = samples.jpeg(60, 40, seed=880, gps=True)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Give a product of its own: what is kept and staged is counted."""
    with own_product() as running:
        yield running


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


def test_of_bytes_that_are_sent_again_and_side_by_side_one_counts_and_no_others_are_kept(product: Product) -> None:
    reserved = reserve(product.client, PHOTO)
    files = [PHOTO[:-2] + bytes([number]) + PHOTO[-1:] for number in range(2)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda data: send(reserved, data), files * 20))
    assert {answer.status_code for answer in answers} == {200}
    assert eventually(lambda: len(staged(product)) == 1)
    (kept,) = staged(product)
    assert hashlib.sha256((product.data / kept).read_bytes()).hexdigest() == kept[-64:]
    assert send(reserved, PHOTO).headers["etag"] == f'"{hashlib.sha256(PHOTO).hexdigest()}"'
    assert complete(product, reserved).status_code == 200
    image = product.settled({"id": reserved["image_id"]})
    assert image["source_sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert eventually(lambda: not staged(product))


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


# An image that nobody has examined yet


def test_an_image_that_is_not_examined_yet_is_in_work_everywhere_and_then_ready(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=890)
    reserved = reserve(product.client, data, title="Soon")
    image, link = f"/api/v1/images/{reserved['image_id']}", f"/i/{reserved['image_id']}"
    assert product.stranger.get(image).status_code == 404  # nobody has said that it is all there
    assert send(reserved, data).status_code == 200
    with frozen(*started(product, WORKER)):
        shown = complete(product, reserved)
        assert (shown.json()["state"], shown.json()["title"]) == ("processing", "Soon")
        assert [shown.json()[name] for name in ("format", "width", "height", "frames", "bytes", "sha256")] == [None] * 6
        looked = product.stranger.get(image)
        assert (looked.json()["state"], looked.headers["retry-after"]) == ("processing", "1")
        assert looked.headers["etag"] == shown.headers["etag"]
        for path in (shown.json()["url"], f"{link}/thumb", f"{link}/original"):
            waiting = product.stranger.get(path)
            assert (waiting.status_code, waiting.content) == (202, b"")
            assert waiting.headers["retry-after"]
        assert product.stranger.get(f"{link}/nonsense").status_code == 404
        assert product.stranger.get(f"/p/{reserved['image_id']}").status_code == 404
        assert product.client.post(f"{image}/variants", json={"preset": "thumb"}).status_code == 409
        for changed in (product.client.patch(image, json={}), product.client.put(f"{image}/content", content=data)):
            assert_problem(changed, 409, "conflict")
            assert changed.headers["retry-after"] == "1"
        assert (
            product.client.get("/api/v1/images", params={"limit": "1"}).json()["items"][0]["id"] != reserved["image_id"]
        )
    ready = product.settled(shown.json())
    assert (ready["state"], ready["width"]) == ("ready", 60)
    assert product.stranger.get(image).headers["etag"] != shown.headers["etag"]
    assert product.stranger.get(shown.json()["url"]).status_code == 200


def test_events_follow_an_image_from_its_completion_to_its_end(product: Product) -> None:
    for data, end in ((samples.jpeg(60, 40, seed=891), "ready"), (b"\xff\xd8\xff but no picture", "rejected")):
        reserved = reserve(product.client, data)
        assert send(reserved, data).status_code == 200
        with frozen(*started(product, WORKER)):
            assert complete(product, reserved).status_code == 200
            stream = following(product.client, reserved["image_id"])
            opened = stream.__enter__()
            events = iter(opened)
            assert next(events).data["state"] == "processing"
        try:
            assert list(events)[-1].data["state"] == end
        finally:
            stream.__exit__(None, None, None)


def test_deleting_an_image_that_is_not_examined_yet_aborts_its_upload(product: Product) -> None:
    before, data = usage(product), samples.jpeg(60, 40, seed=892)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    with frozen(*started(product, WORKER)):
        image = complete(product, reserved).json()
        assert product.client.delete(f"/api/v1/images/{image['id']}").status_code == 204
        assert product.client.get(f"/api/v1/images/{image['id']}").status_code == 404
        assert look(product, reserved)["state"] == "aborted"
        assert not staged(product)
    assert usage(product) == before
    assert eventually(
        lambda: product.query("SELECT 1 FROM procrastinate_jobs WHERE task_name = 'examine_upload'") == []
    )
    assert product.client.get(f"/api/v1/images/{image['id']}").status_code == 404
    assert collect(product) == set()


# Its end, and what is left of it


def test_an_upload_that_is_never_completed_is_given_up_with_all_that_it_held(product: Product) -> None:
    before, data = usage(product), samples.jpeg(60, 40, seed=893)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    product.query("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = %s", number(reserved))
    assert complete(product, reserved).json()["code"] == "upload.expired"
    sweep(product)
    assert eventually(lambda: look(product, reserved)["state"] == "expired", within=20)
    assert eventually(lambda: not staged(product))
    assert usage(product) == before
    assert send(reserved, data).json()["code"] == "upload.expired"


def test_an_upload_whose_job_is_lost_is_examined_all_the_same(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=894)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    with frozen(*started(product, WORKER)):
        assert complete(product, reserved).status_code == 200
        product.query("DELETE FROM procrastinate_jobs WHERE args ->> 'upload' = %s", str(number(reserved)))
        product.query("UPDATE uploads SET updated_at = now() - interval '2 m' WHERE id = %s", number(reserved))
    sweep(product)
    assert product.settled({"id": reserved["image_id"]})["state"] == "ready"


def test_an_upload_whose_job_is_dead_is_examined_again_an_hour_later_and_not_before(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=896)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    with frozen(*started(product, WORKER)):
        assert complete(product, reserved).status_code == 200
        ((job,),) = product.query(
            "UPDATE procrastinate_jobs SET status = 'failed', attempts = 5 WHERE args ->> 'upload' = %s RETURNING id",
            str(number(reserved)),
        )
    swept = "SELECT 1 FROM procrastinate_jobs WHERE task_name = 'sweep_uploads' AND status IN ('todo', 'doing')"
    sweep(product)
    assert eventually(lambda: product.query(swept) == [])
    assert look(product, reserved)["state"] == "received"
    product.query("UPDATE procrastinate_events SET at = at - interval '61 m' WHERE job_id = %s", job)
    sweep(product)
    assert product.settled({"id": reserved["image_id"]})["state"] == "ready"
    assert eventually(lambda: product.query("SELECT 1 FROM procrastinate_jobs WHERE id = %s", job) == [])


def test_an_upload_that_a_backup_brings_back_does_not_become_an_image_that_was_purged(product: Product) -> None:
    before, data = usage(product), samples.jpeg(60, 40, seed=897)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    with frozen(*started(product, WORKER)):
        image = complete(product, reserved).json()
        ((tenant,),) = product.query("SELECT tenant FROM uploads WHERE id = %s", number(reserved))
        later = Purge(int(tenant), number(reserved), (), datetime.now(UTC))
        anyio.run(PurgeJournal(LocalBlobStore(product.data / "blobs")).append, later)
        report, again = replay(product)
        assert (report["purged_again"], [purge.image for purge in again]) == (1, [number(reserved)])
        assert not staged(product)
    assert look(product, reserved)["state"] == "aborted"
    assert product.client.get(f"/api/v1/images/{image['id']}").status_code == 404
    assert usage(product) == before
    assert replay(product)[0]["purged_again"] == 0


def test_gc_and_verify_know_what_is_staged_and_find_what_is_nobody_s_and_what_is_lost(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=895)
    reserved = reserve(product.client, data)
    assert send(reserved, data).status_code == 200
    (mine,) = staged(product)
    path = product.data / mine
    other = path.with_name(f"{path.name[:-64]}{'0' * 64}")
    other.write_bytes(b"what a crash left")
    key = str(other.relative_to(product.data / "blobs"))
    assert verified(product) == [(Invariant.REFERENCES, f"no upload knows {key}")]
    assert collect(product) == {(Garbage.STAGED, key)}
    assert staged(product) == {mine}
    assert verified(product) == []
    path.rename(path.with_suffix(".away"))
    (sentence,) = [said for invariant, said in verified(product) if invariant is Invariant.DURABLE]
    assert "part 1 of the upload" in sentence
    lost = complete(product, reserved)
    assert (lost.status_code, lost.json()["code"]) == (409, "upload.bytes_missing")
    path.with_suffix(".away").unlink()
    assert abort(product, reserved).status_code == 204


def test_uploads_go_with_their_account_and_are_in_its_export(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=896)
    with person(product) as ann:
        reserved = reserve(ann.client, data, filename="holiday.jpg")
        assert send(reserved, data).status_code == 200
        assert ann.client.get(f"{UPLOADS}/{reserved['id']}").json()["received"] == len(data)
        assert ann.client.get("/api/v1/usage").json()["images"] == 1
        assert ann.client.post("/api/v1/account/export").is_success
        assert eventually(lambda: ann.client.get("/api/v1/account/export").json()["state"] == "ready", within=20)
        archive = zipfile.ZipFile(io.BytesIO(ann.client.get("/api/v1/account/export/file").content))
        (name,) = [name for name in archive.namelist() if "uploads" in name]
        assert b"holiday.jpg" in archive.read(name)
        assert ann.client.delete("/api/v1/account").status_code == 202
        assert eventually(lambda: not product.query("SELECT 1 FROM uploads WHERE owner = %s", ann.id), within=20)
        assert not staged(product)
        assert send(reserved, data).json()["code"] in {"upload.aborted", "upload.link_invalid"}
    assert collect(product) == set()


def test_nothing_is_taken_for_a_tenant_that_is_suspended(product: Product) -> None:
    data = samples.jpeg(60, 40, seed=897)
    slug = "shut-soon"
    made = product.client.post("/api/v1/tenants", json={"slug": slug})
    key = made.json()["api_key"]["secret"]
    with httpx.Client(base_url=product.base_url, headers={"authorization": f"Bearer {key}"}) as theirs:
        reserved = reserve(theirs, data)
    assert product.client.post(f"/api/v1/tenants/{slug}/suspend").is_success
    for answer in (send(reserved, data), complete(product, reserved), abort(product, reserved)):
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant.suspended")
    assert not staged(product)


def test_a_page_of_a_listed_origin_sends_and_completes_with_what_it_was_handed(product: Product) -> None:
    origin, data = "https://shop.example", samples.jpeg(60, 40, seed=898)
    assert product.client.patch("/api/v1/tenants/default", json={"origins": [origin]}).is_success
    reserved = reserve(product.client, data, content_type="image/jpeg", sha256=hashlib.sha256(data).hexdigest())
    steps = [
        ("PUT", reserved["upload"]["url"], {**reserved["upload"]["headers"]}, data),
        ("POST", f"{UPLOADS}/{reserved['id']}/complete", {"Upload-Token": reserved["write_token"]}, b""),
    ]
    for method, url, headers, body in steps:
        asked = {
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": ", ".join(name.lower() for name in headers),
        }
        preflight = product.stranger.options(url, headers=asked)
        assert preflight.status_code == 204
        assert method in preflight.headers["access-control-allow-methods"]
        allowed = {name.lower() for name in preflight.headers["access-control-allow-headers"].split(", ")}
        assert {name.lower() for name in headers} <= allowed
        answer = product.stranger.request(method, url, headers={**headers, "origin": origin}, content=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["access-control-allow-origin"] == origin
        assert "etag" in answer.headers["access-control-expose-headers"].lower()
    assert product.settled({"id": reserved["image_id"]})["state"] == "ready"
