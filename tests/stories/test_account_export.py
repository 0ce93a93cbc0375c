"""Everything that a person has here, in one file: whole, theirs alone, made once, and gone after a while."""

import hashlib
import io
import json
import os
import signal
import zipfile
from typing import Any, Final

import samples
from killing import frozen, started
from persons import Person, key_of, person
from product import Product, eventually
from refusals import assert_problem
from soundness import assert_sound

EXPORT: Final = "/api/v1/account/export"
MADE_SECONDS: Final = 40.0


def ready(who: Person) -> dict[str, Any]:
    """Return the export once it is made."""

    def is_ready() -> bool:
        return bool(who.client.get(EXPORT).json()["state"] == "ready")

    assert eventually(is_ready, within=MADE_SECONDS), who.client.get(EXPORT).text
    return dict(who.client.get(EXPORT).json())


def opened(who: Person) -> zipfile.ZipFile:
    answer = who.client.get(f"{EXPORT}/file")
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def lines(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [dict(json.loads(line)) for line in archive.read(name).splitlines()]


def test_an_export_has_every_original_and_every_record_and_no_secret(product: Product) -> None:
    with person(product) as ann, person(product) as bob:
        key = key_of(product, ann.id, "images:read")
        sent = [samples.jpeg(64, 48, seed=700 + number) for number in range(3)]
        images = [ann.client.post("/api/v1/images", content=data, params={"title": "mine"}).json() for data in sent]
        bob.client.post("/api/v1/images", content=samples.jpeg(64, 48, seed=710))
        asked = ann.client.post(EXPORT)
        assert asked.status_code == 202, asked.text
        assert asked.headers["cache-control"] == "no-store"
        export = ready(ann)
        assert (export["images_done"], export["images_total"]) == (3, 3)
        assert export["url"] == f"{product.base_url}{EXPORT}/file"
        archive = opened(ann)
        assert archive.testzip() is None
        told = {row["id"]: row for row in lines(archive, "images.jsonl")}
        assert set(told) == {image["id"] for image in images}
        for image in images:
            row = told[image["id"]]
            assert row["title"] == "mine"
            assert hashlib.sha256(archive.read(row["file"])).hexdigest() == image["sha256"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert lines(archive, "accounts.jsonl")[0]["handle"] == ann.handle
        assert [row["agent"] for row in lines(archive, "sessions.jsonl")] == ["tests"]
        assert [row["name"] for row in lines(archive, "api_keys.jsonl")] == ["a key"]
        assert "account.export_asked" in {row["action"] for row in lines(archive, "audit.jsonl")}
        whole = b"".join(archive.read(name) for name in archive.namelist())
        for secret in (key, ann.client.headers["authorization"].removeprefix("Bearer "), bob.handle):
            assert secret.encode() not in whole


def test_one_is_made_at_a_time_and_it_is_for_its_owner_alone(product: Product) -> None:
    with person(product) as ann, person(product) as bob:
        for method, path in (("POST", EXPORT), ("GET", EXPORT), ("GET", f"{EXPORT}/file")):
            assert_problem(product.stranger.request(method, path), 401, "auth.required")
            assert_problem(product.client.request(method, path), 403, "auth.forbidden")
        assert_problem(ann.client.get(EXPORT), 404, "not_found")
        with frozen(*started(product, "worker")):
            first, second = ann.client.post(EXPORT).json(), ann.client.post(EXPORT).json()
            assert first["id"] == second["id"]
            assert_problem(ann.client.get(f"{EXPORT}/file"), 409, "conflict")
        ready(ann)
        assert_problem(bob.client.get(f"{EXPORT}/file"), 404, "not_found")
        whole = ann.client.get(f"{EXPORT}/file")
        assert whole.headers["cache-control"] == "no-store"
        part = ann.client.get(f"{EXPORT}/file", headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        beyond = ann.client.get(f"{EXPORT}/file", headers={"range": f"bytes={len(whole.content)}-"})
        assert_problem(beyond, 416, "request.range")
        again = ann.client.post(EXPORT).json()
        assert again["id"] != first["id"]
        ready(ann)
        assert len(files_of(product, ann)) == 1


def files_of(product: Product, who: Person) -> set[str]:
    return {name for name in product.files("blobs") if "exports/" in name and f"{who.id:016x}-" in name}


def test_a_worker_that_is_killed_meanwhile_leaves_the_export_to_the_next(product: Product) -> None:
    with person(product) as ann:
        for number in range(8):
            ann.client.post("/api/v1/images", content=samples.jpeg(64, 48, seed=720 + number))
        ann.client.post(EXPORT)
        for pid in started(product, "worker"):
            os.kill(pid, signal.SIGKILL)
        ready(ann)
        assert len(lines(opened(ann), "images.jsonl")) == 8
    assert_sound(product)


def test_an_export_whose_time_is_over_is_gone_and_so_is_its_file(product: Product) -> None:
    with person(product) as ann, person(product) as bob:
        for who in (ann, bob):
            who.client.post(EXPORT)
            ready(who)
        product.query("UPDATE account_exports SET expires_at = now() WHERE account = %s", ann.id)
        assert_problem(ann.client.get(f"{EXPORT}/file"), 404, "not_found")
        (name,) = files_of(product, ann)
        os.utime(product.data / name, (0, 0))
        product.query("UPDATE periodic_tasks SET due_at = now() WHERE name = 'sweep_privacy'")
        assert eventually(lambda: not files_of(product, ann), within=MADE_SECONDS)
        assert files_of(product, bob)
        assert bob.client.delete("/api/v1/account").status_code == 202
        assert eventually(lambda: not files_of(product, bob), within=MADE_SECONDS)
