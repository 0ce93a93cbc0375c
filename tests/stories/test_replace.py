"""Other bytes for the same image: the old ones are never shown again, and no late work brings them back."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

import samples
from killing import frozen, started
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem, leaves_nothing
from signed_in import signed_in

IMAGES: Final = "/api/v1/images"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", "--api-processes", "2") as running:
        yield running


def content(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}/content"


def resource(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}"


def replace(product: Product, image: dict[str, Any], data: bytes, **headers: str) -> httpx.Response:
    return product.client.put(content(image), content=data, headers=headers)


def drained(product: Product) -> bool:
    return product.query("SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing')") == []


def files_of(product: Product, sha256: str) -> set[str]:
    return {name for name in product.files("blobs") if sha256 in name}


def everywhere(product: Product, path: str) -> list[httpx.Response]:
    """Return the answers of every process, as far as the kernel's choice goes."""
    return [httpx.get(httpx.URL(product.base_url).join(path), follow_redirects=True) for _ in range(6)]


@pytest.mark.parametrize("form", [True, False])
def test_the_image_has_the_new_bytes_and_the_next_version(product: Product, *, form: bool) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=770 + form), title="Kept", tags="t"))
    data = samples.png(320, 200, seed=772 + form)
    files = {"files": {"file": ("new.png", data)}} if form else {"content": data}
    answer = product.client.put(content(image), **files)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["version"], shown["state"], shown["format"], shown["width"]) == (2, "processing", "png", 320)
    assert (shown["title"], shown["tags"], shown["created_at"]) == ("Kept", ["t"], image["created_at"])
    assert shown["source_sha256"] == hashlib.sha256(data).hexdigest()
    ready = product.settled(image)
    assert (ready["state"], ready["thumbhash"] != image["thumbhash"]) == ("ready", True)
    assert product.stranger.get(ready["url"]).content == data


def test_old_addresses_lead_to_the_new_bytes(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=780)))
    old = product.stranger.get(image["url"])
    new = product.settled(replace(product, image, samples.png(seed=781)).json())
    for name in (f"original.jpg?v={image['version']}", "original.jpg"):
        moved = product.stranger.get(f"/i/{image['id']}/{name}")
        assert (moved.status_code, moved.headers["location"]) == (302, f"/i/{image['id']}/original.png?v=2")
        assert moved.headers["cache-control"] == "public, max-age=5"
    moved = product.stranger.get(image["thumbnails"]["thumb"])
    assert (moved.status_code, moved.headers["location"]) == (302, f"/i/{image['id']}/thumb?v=2")
    since = {"if-modified-since": old.headers["last-modified"]}
    assert product.stranger.get(f"/i/{image['id']}/original", headers=since).status_code == 200
    assert product.stranger.get(new["url"]).headers["etag"] != old.headers["etag"]


def shows_none_of(product: Product, paths: list[str], old: set[bytes]) -> bool:
    answers = [answer for path in paths for answer in everywhere(product, path)]
    return all(answer.status_code == httpx.codes.OK and answer.content not in old for answer in answers)


def test_the_old_bytes_are_gone_from_every_process_and_from_the_disk(product: Product) -> None:
    before, after = samples.jpeg(1200, 900, seed=782), samples.jpeg(1200, 900, seed=783)
    image = product.settled(product.upload(before))
    paths = [image["url"], f"/i/{image['id']}/original.jpg", *image["thumbnails"].values()]
    old = {answer.content for path in paths for answer in everywhere(product, path)}
    with frozen(*started(product, "worker")):  # nobody but the replacement itself tells the other process
        assert replace(product, image, after).status_code == 200
        assert eventually(lambda: shows_none_of(product, paths[:2], old), within=1)
    product.settled(image)
    assert shows_none_of(product, paths, old)
    assert eventually(lambda: files_of(product, image["sha256"]) == set(), within=10)
    assert product.query("SELECT 1 FROM blobs WHERE sha256 = %s", bytes.fromhex(image["sha256"])) == []


def test_bytes_that_another_image_has_stay_its_own(product: Product) -> None:
    data = samples.jpeg(seed=784)
    image, other = product.settled(product.upload(data)), product.settled(product.upload(data))
    replace(product, image, samples.jpeg(seed=785))
    assert eventually(lambda: drained(product), within=15)
    assert product.stranger.get(other["url"]).content == data
    assert product.stranger.get(other["thumbnails"]["thumb"]).status_code == 200


def test_the_same_bytes_again_are_a_version_like_any_other(product: Product) -> None:
    data = samples.jpeg(seed=786)
    image = product.settled(product.upload(data))
    shown = replace(product, image, data).json()
    assert (shown["version"], shown["deduplicated"], shown["sha256"]) == (2, True, image["sha256"])
    assert eventually(lambda: drained(product), within=15)
    assert product.settled(image)["state"] == "ready"
    assert product.stranger.get(shown["url"]).content == data
    assert product.client.delete(f"{resource(image)}?purge=true").status_code == 204
    assert eventually(lambda: files_of(product, image["sha256"]) == set())


def test_a_job_of_the_old_version_changes_nothing(product: Product) -> None:
    with frozen(*started(product, "worker")):
        image = product.upload(samples.jpeg(seed=787))
        replaced = replace(product, image, samples.png(64, 64, seed=788)).json()
        jobs = product.query("SELECT args FROM procrastinate_jobs WHERE task_name = 'process_image'")
        assert sorted(args["version"] for (args,) in jobs) == [1, 2]
    ready = product.settled(image)
    assert (ready["state"], ready["version"], ready["sha256"]) == ("ready", 2, replaced["sha256"])
    assert eventually(lambda: drained(product), within=15)
    arguments = {**jobs[0][0], "version": 1}  # and once more, when everything is done
    product.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('tintype', 'process_image', %s::jsonb)",
        json.dumps(arguments),
    )
    assert eventually(lambda: drained(product), within=15)
    assert product.settled(image) == ready
    assert files_of(product, image["sha256"]) == set()


def test_a_rejected_image_is_good_with_good_bytes(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=790), title="Rejected"))
    product.query("UPDATE images SET state = 'rejected', state_reason = 'image.malformed' WHERE title = 'Rejected'")
    shown = replace(product, image, samples.png(seed=789)).json()
    assert (shown["state"], shown["state_reason"]) == ("processing", None)
    assert product.settled(image)["state"] == "ready"


def test_bytes_that_an_upload_would_refuse_are_refused_and_change_nothing(product: Product) -> None:
    with signed_in(product) as somebody:
        image = product.settled(somebody.show(samples.jpeg(seed=791)))
    good = samples.jpeg(seed=792)
    with leaves_nothing(product):
        assert_problem(replace(product, image, b"no image"), 415, "image.unsupported_format")
        assert_problem(replace(product, image, b""), 422, "upload.empty")
        assert_problem(replace(product, image, good[: len(good) // 2]), 422, "image.malformed")
        assert_problem(replace(product, image, samples.gif()), 415, "image.unsupported_format")
        assert_problem(replace(product, image, b"\xff\xd8\xff" + bytes(5_000_001)), 413, "image.too_large")
        digest = {"content-digest": "sha-256=:" + "A" * 43 + "=:"}
        assert_problem(replace(product, image, good, **digest), 422, "upload.checksum_mismatch")
        extra = product.client.put(content(image), files={"file": good}, data={"title": "no"})
        assert [error["field"] for error in assert_problem(extra, 422, "request.invalid")["errors"]] == ["title"]
        wrong = product.client.put(content(image), files={"file": good}, data={"sha256": "0" * 64})
        assert_problem(wrong, 422, "upload.checksum_mismatch")
    assert product.settled(image) == product.client.get(resource(image)).json()
    assert product.client.get(resource(image)).json()["version"] == 1


def test_only_the_owner_replaces_and_a_refusal_keeps_nothing(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=793), anonymous=True)
    product.settled(image)
    new = samples.jpeg(seed=794)
    with leaves_nothing(product):
        assert_problem(product.stranger.put(content(image), content=new), 401, "auth.required")
        assert_problem(replace(product, image, new, **{"if-match": '"9-9"'}), 412, "precondition_failed")
    token = {"upload-token": image["delete_token"]}
    assert product.stranger.put(content(image), content=new, headers=token).json()["version"] == 2


def test_of_two_who_replace_the_same_state_one_wins_and_the_other_leaves_nothing(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=795)))
    for trial in range(5):
        tag = {"if-match": product.client.get(resource(image)).headers["etag"]}
        tag["authorization"] = f"Bearer {product.api_key}"
        sent = [samples.jpeg(seed=10 * trial + each + 5_000) for each in range(3)]

        def send(data: bytes, tag: dict[str, str] = tag) -> httpx.Response:
            return httpx.put(f"{product.base_url}{content(image)}", content=data, headers=tag, timeout=30)

        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(send, sent))
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
        product.settled(image)
    assert eventually(lambda: drained(product), within=20)
    kept = product.client.get(resource(image)).json()
    losers = {hashlib.sha256(samples.jpeg(seed=10 * trial + each + 5_000)).hexdigest()
              for trial in range(5) for each in range(3)} - {kept["sha256"]}  # fmt: skip
    assert eventually(lambda: not any(files_of(product, sha256) for sha256 in losers), within=10)
    assert product.stranger.get(kept["url"]).status_code == 200


def test_what_is_in_the_trash_or_on_hold_keeps_its_bytes(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=796)))
    new = samples.jpeg(seed=797)
    product.client.delete(resource(image))
    with leaves_nothing(product):
        assert_problem(replace(product, image, new), 409, "conflict")
        product.client.post(f"{resource(image)}/restore")
        product.client.put(f"{resource(image)}/hold")
        assert_problem(replace(product, image, new), 409, "image.on_hold")


def test_uploads_deletes_and_replacements_of_the_same_bytes_lose_nothing(product: Product) -> None:
    versions = [samples.jpeg(64, 64, seed=798), samples.jpeg(64, 64, seed=799)]

    def play(number: int) -> None:
        image = product.upload(versions[number % 2])
        for turn in range(3):
            data = versions[(number + turn) % 2]
            answer = replace(product, image, data)
            assert answer.status_code == 200, answer.text
            served = product.stranger.get(answer.json()["url"], follow_redirects=True)
            assert (served.status_code, served.content) == (200, data)
        assert product.client.delete(f"{resource(image)}?purge=true").status_code == 204

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(play, range(16)))
    assert eventually(lambda: drained(product), within=40)
    for data in versions:
        assert files_of(product, hashlib.sha256(data).hexdigest()) == set()
