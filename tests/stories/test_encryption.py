"""A server that speaks TLS and encrypts its images: nothing of them is in clear on the disk, and all still works.

It begins in clear, to see that what is looked for would be found, and is encrypted later, as an operator would.
"""

import hashlib
import io
import os
import shutil
import signal
import socket
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

import samples
from actors import make_person
from certificates import trusting, write_certificate
from command_line import tintype
from people import PASSWORD
from postgres import passable_directory
from product import Product, eventually, free_port, start_product
from refusals import assert_problem
from tintype.adapters.blob_keys import KeyRing, key_id
from tintype.adapters.sealed_directory import SealedBlobDirectory
from tintype.adapters.sealed_format import CHUNK_BYTES, is_sealed
from tintype.domain.keys import original_key
from upkeep import UNSCHEDULED

IMAGES: Final = "/api/v1/images"
EXPORT: Final = "/api/v1/account/export"
EXPORTED_SECONDS: Final = 40.0
FIRST: Final = bytes(range(32)).hex()
SECOND: Final = bytes(range(32, 64)).hex()
WINDOW: Final = 24
"""Bytes in a row that no two pictures share by chance."""
TABLES: Final = 700
"""Bytes at a file's beginning that two pictures may share."""


@dataclass
class Story:
    """The encrypted server, how to trust it, and an image that was uploaded before it was encrypted."""

    product: Product
    tls: ssl.SSLContext
    before: dict[str, Any]
    before_content: bytes
    environment: dict[str, str]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with passable_directory() as directory:
        data = directory / "data"
        content = samples.jpeg(1000, 750, seed=900)
        with start_product(data, environment=UNSCHEDULED) as plain:
            before = plain.settled(plain.upload(content))
            assert traces(data, content, plain.stranger.get(before["thumbnails"]["thumb"]).content)
            with half_an_upload(plain, None) as staged:
                assert found_in(staged, CANARY)
            key = plain.api_key
        certificate, tls_key = write_certificate(directory)
        environment = {
            **UNSCHEDULED,
            "TINTYPE_BLOB_KEY_COMMAND": f"echo {FIRST}",
            "TINTYPE_TLS__CERTIFICATE": str(certificate),
            "TINTYPE_TLS__KEY": str(tls_key),
            "TINTYPE_TLS__REDIRECT_PORT": str(free_port()),
        }
        with start_product(data, "--api-processes", "1", environment=environment, key=key) as product:
            tls = trusting(certificate)
            speak_tls(product, tls)
            yield Story(product, tls, before, content, environment)


@pytest.fixture
def product(story: Story) -> Product:
    return story.product


def speak_tls(product: Product, tls: ssl.SSLContext) -> None:
    """Have the product's clients come by https."""
    product.hang_up()
    product.base_url = product.base_url.replace("http:", "https:")
    product.stranger = httpx.Client(base_url=product.base_url, timeout=30, verify=tls)
    authorization = {"authorization": f"Bearer {product.api_key}"}
    product.client = httpx.Client(base_url=product.base_url, timeout=30, verify=tls, headers=authorization)


def traces(data: Path, *contents: bytes) -> set[str]:
    """Return the files below the data directory that hold a part of what should not be there."""
    parts = [part for content in contents for part in windows(content)]
    files = [path for path in data.rglob("*") if path.is_file() and not path.is_symlink()]
    found = set()
    for path in files:
        with suppress(FileNotFoundError):  # counted views are taken away meanwhile
            if found_in(path.read_bytes(), *parts):
                found.add(str(path.relative_to(data)))
    return found


def windows(content: bytes) -> list[bytes]:
    """Return parts of what follows the tables that every JPEG of an encoder begins with."""
    first = max(TABLES, len(content) // 4)
    return [
        content[start : start + WINDOW] for start in range(first, len(content) - WINDOW, max(WINDOW, len(content) // 8))
    ]


def found_in(content: bytes, *parts: bytes) -> bool:
    return any(part in content for part in parts)


CANARY: Final = b"nobody may find these words on a disk"


@contextmanager
def half_an_upload(product: Product, tls: ssl.SSLContext | None) -> Iterator[bytes]:
    """Give what lies on the disk of an upload that is too large to wait in memory, and whose last byte has not come."""
    body = samples.jpeg(100, 100) + CANARY * 160_000
    address = urlsplit(product.base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as bare:
        connection = tls.wrap_socket(bare, server_hostname=address.hostname) if tls else bare
        head = (
            f"POST {IMAGES} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body) + 1}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        staged: list[bytes] = []

        def has_come() -> bool:
            staged[:] = staged_bytes(product)
            return sum(map(len, staged)) > 1_000_000

        assert eventually(has_come)
        yield b"".join(staged)
        if tls:
            connection.close()


def staged_bytes(product: Product) -> list[bytes]:
    """Return what the files without a name hold that processes of the product have open in its staging."""
    found = []
    for pid in product.children():
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if "/staging/" in str(link.readlink()):
                    found.append(link.read_bytes())
            except FileNotFoundError:
                continue
    return found


# What lies on the disk


def test_nothing_of_an_image_is_in_clear_in_the_data_directory(story: Story) -> None:
    product, file = story.product, io.BytesIO()
    samples.noise(700, 500, seed=901).save(file, "JPEG")  # nothing in it is like anything in another picture
    image = product.settled(product.upload(file.getvalue()))
    variants = product.client.get(f"{IMAGES}/{image['id']}/variants").json()["items"]
    made = [product.stranger.get(each["url"]).content for each in variants]
    assert len(made) >= 6
    assert traces(product.data, product.stranger.get(image["url"]).content, *made) == set()


def test_an_export_of_encrypted_images_is_whole_and_is_encrypted_where_it_lies(story: Story) -> None:
    product, file = story.product, io.BytesIO()
    samples.noise(400, 300, seed=902).save(file, "JPEG")
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    somebody = {"authorization": f"Bearer {make_person(product, tenant).token}"}
    image = product.stranger.post(IMAGES, content=file.getvalue(), headers=somebody).json()
    assert product.stranger.post(EXPORT, headers=somebody).status_code == 202
    assert eventually(
        lambda: product.stranger.get(EXPORT, headers=somebody).json()["state"] == "ready", within=EXPORTED_SECONDS
    )
    answer = product.stranger.get(f"{EXPORT}/file", headers=somebody)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    original = archive.read(f"originals/{image['id']}.jpg")
    assert hashlib.sha256(original).hexdigest() == image["sha256"]
    part = product.stranger.get(f"{EXPORT}/file", headers={**somebody, "range": "bytes=100-70099"})
    assert (part.status_code, part.content) == (206, answer.content[100:70100])
    assert traces(product.data, original) == set()


def test_bytes_on_their_way_in_are_encrypted_from_the_first(story: Story) -> None:
    with half_an_upload(story.product, story.tls) as staged:
        assert not found_in(staged, CANARY, CANARY[:16])


def test_what_waits_to_be_examined_is_encrypted_too(story: Story) -> None:
    product, data = story.product, samples.jpeg(100, 100, seed=902) + CANARY * 1_000
    made = product.client.post("/api/v1/uploads", json={"method": "put", "size": len(data)}).json()
    assert product.stranger.put(made["upload"]["url"], content=data).status_code == 200
    (staged,) = (product.data / "blobs/staging").rglob(f"*{hashlib.sha256(data).hexdigest()}")
    assert not found_in(staged.read_bytes(), CANARY, CANARY[:16])
    headers = {"upload-token": made["write_token"]}
    image = product.stranger.post(f"/api/v1/uploads/{made['id']}/complete", headers=headers)
    assert product.settled(image.json())["state"] == "ready"


def test_the_key_is_in_no_log_and_in_no_file(story: Story) -> None:
    product = story.product
    secrets = (FIRST.encode(), bytes.fromhex(FIRST))
    assert not found_in(product.log.read_bytes(), *secrets)
    assert [
        str(path) for path in product.data.rglob("*") if path.is_file() and found_in(path.read_bytes(), *secrets)
    ] == []


# Everything still works


def test_an_image_is_delivered_whole_in_ranges_and_resized(product: Product) -> None:
    content = samples.jpeg(2600, 1900, quality=95, seed=902)
    image = product.settled(product.upload(content))
    stored = product.stranger.get(image["url"]).content
    assert len(stored) > 2 * CHUNK_BYTES
    for start, end in (
        (0, 9),
        (CHUNK_BYTES - 5, CHUNK_BYTES + 5),
        (CHUNK_BYTES, 2 * CHUNK_BYTES),
        (len(stored) - 7, len(stored) - 1),
    ):
        part = product.stranger.get(image["url"], headers={"range": f"bytes={start}-{end}"})
        assert (part.status_code, part.content) == (206, stored[start : end + 1])
    with Image.open(io.BytesIO(product.stranger.get(f"/i/{image['id']}/large.jpg").content)) as large:
        assert large.size[0] == 2048
    assert product.client.head(image["url"]).headers["content-length"] == str(len(stored))
    assert product.stranger.get(image["page_url"], headers={"accept": "text/html"}).status_code == 200
    assert eventually(lambda: product.client.get(f"{IMAGES}/{image['id']}/views").json()["total"] > 0, within=15)


def test_a_purge_removes_every_file_and_is_proved_and_journalled(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(600, 400, seed=903)))
    assert any(image["sha256"] in name for name in product.files("blobs"))
    assert product.client.delete(f"{IMAGES}/{image['id']}?purge=true").status_code == 204
    assert_problem(product.stranger.get(image["url"]), 410, "image.gone")
    assert eventually(lambda: not any(image["sha256"] in name for name in product.files("blobs")))

    def proved() -> object:
        return product.client.get(f"{IMAGES}/{image['id']}/receipt").json().get("proved")

    assert eventually(lambda: proved() is not None, within=20)
    assert proved() is True
    entries = product.files("blobs/journal")
    assert entries
    assert all(is_sealed((product.data / entry).read_bytes()) for entry in entries)


def test_a_bit_that_flips_is_served_to_nobody_found_by_verify_and_mended_by_the_same_upload(story: Story) -> None:
    product, content = story.product, samples.jpeg(500, 500, seed=904)
    image = product.settled(product.upload(content))
    (name,) = [name for name in product.files("blobs") if name.endswith(image["sha256"])]
    path = product.data / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    assert_problem(product.stranger.get(image["url"]), 503, "unavailable")
    found = tintype("verify", "--data", str(product.data), environment=story.environment)
    assert found.returncode == 1
    assert "violations.I13: 1\n" in found.stdout
    assert f"{name.removeprefix('blobs/')} cannot be read" in found.stdout
    product.upload(content)
    assert product.stranger.get(image["url"]).content == content


def test_gc_removes_what_no_row_knows_and_nothing_else(story: Story) -> None:
    product, content = story.product, b"bytes of an upload that was never answered"
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    digest = hashlib.sha256(content)
    blobs = SealedBlobDirectory(product.data / "blobs", KeyRing(bytes.fromhex(FIRST)))
    key = original_key(tenant, digest.digest())
    before = {found.key for found in blobs.walk("")}
    blobs.put(key, lambda: (content,), size=len(content), sha256=digest.hexdigest())
    done = tintype("gc", "--grace", "0.000001", "--data", str(product.data), environment=story.environment)
    assert done.returncode == 0, done.stderr
    assert f"mended: file_without_row {key}" in done.stdout, done.stdout
    assert {found.key for found in blobs.walk("")} == before


# From clear to encrypted, to another key, and back


def test_what_was_uploaded_before_is_read_and_then_encrypted_while_the_server_runs(story: Story) -> None:
    product = story.product
    address = urlsplit(story.before["url"]).path
    assert product.stranger.get(address).content == story.before_content
    first = key_id(bytes.fromhex(FIRST)).hex()
    done = tintype("encrypt-blobs", "--data", str(product.data), environment=story.environment)
    assert done.returncode == 0, done.stderr
    assert f"Every image is encrypted with the key {first}." in done.stdout
    assert traces(product.data, story.before_content) == set()
    assert product.stranger.get(address).content == story.before_content
    found = tintype("verify", "--data", str(product.data), environment=story.environment)
    assert "\ntotal: 0\n" in found.stdout, found.stdout + found.stderr


# TLS


def test_tls_1_2_and_1_3_are_spoken_and_http_is_not(story: Story) -> None:
    address = urlsplit(story.product.base_url)
    place = (address.hostname or "", address.port or 0)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.load_verify_locations(story.environment["TINTYPE_TLS__CERTIFICATE"])
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(place, 10) as bare, context.wrap_socket(bare, server_hostname="127.0.0.1") as tls:
            assert tls.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
    with pytest.raises(httpx.TransportError):
        httpx.get(story.product.base_url.replace("https:", "http:"), timeout=5)


def test_who_comes_by_http_is_sent_to_https_and_who_sends_something_is_refused(story: Story) -> None:
    plain = f"http://127.0.0.1:{story.environment['TINTYPE_TLS__REDIRECT_PORT']}"
    assert eventually(lambda: is_answered(plain), within=20)
    sent = httpx.get(f"{plain}/p/img_1?token=a%20b", headers={"host": "127.0.0.1:80"})
    assert (sent.status_code, sent.headers["location"]) == (308, f"{story.product.base_url}/p/img_1?token=a%20b")
    refused = httpx.post(f"{plain}{IMAGES}", content=b"x", headers={"authorization": "Bearer ttk_x"})
    assert refused.status_code == 403
    assert "https" in refused.text


def is_answered(url: str) -> bool:
    try:
        return bool(httpx.get(url).status_code)
    except httpx.TransportError:
        return False


def test_a_new_certificate_is_taken_on_sighup_and_one_that_cannot_be_used_is_not(story: Story, tmp_path: Path) -> None:
    product = story.product
    certificate, key = (Path(story.environment[f"TINTYPE_TLS__{name}"]) for name in ("CERTIFICATE", "KEY"))
    new, new_key = write_certificate(tmp_path)
    good_key = key.read_bytes()
    key.write_text("no key")
    os.kill(product.process.pid, signal.SIGHUP)
    assert eventually(lambda: "certificate_not_taken" in product.log.read_text())
    assert shown(product) == der(certificate)
    assert good_key not in product.log.read_bytes()
    shutil.copy(new, certificate)
    shutil.copy(new_key, key)
    before = serving(product)
    os.kill(product.process.pid, signal.SIGHUP)
    assert eventually(lambda: shown(product) == der(new), within=20)
    assert eventually(lambda: bool(before - serving(product)), within=20)  # until then both processes answer
    story.tls = trusting(certificate)
    speak_tls(product, story.tls)
    assert product.stranger.get("/readyz").status_code == 200


def serving(product: Product) -> set[int]:
    return {pid for pid, command in product.children().items() if "run-api" in command}


def shown(product: Product) -> bytes:
    address = urlsplit(product.base_url)
    try:
        return ssl.PEM_cert_to_DER_cert(
            ssl.get_server_certificate((address.hostname or "", address.port or 0), timeout=5)
        )
    except OSError:
        return b""


def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_a_cookie_that_signs_in_comes_by_https_alone(product: Product) -> None:
    said = {"handle": "locked", "email": "locked@people.example", "password": PASSWORD}
    assert product.stranger.post("/api/v1/accounts", json=said).status_code == 201
    answer = product.stranger.post("/api/v1/sessions", json={"login": "locked", "password": PASSWORD})
    product.stranger.cookies.clear()
    assert answer.status_code == 201, answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert cookies
    for cookie in cookies:
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(cookie.lower().split("; "))


# Headers


DOCUMENT: Final = {"permissions-policy", "cross-origin-opener-policy"}
EMBEDDABLE: Final = "cross-origin"


def test_every_answer_of_every_route_says_what_browsers_may_not_do_with_it(story: Story) -> None:
    product = story.product
    image = product.settled(product.upload(samples.jpeg(300, 200, seed=905)))
    asked = 0
    for method, path in every_route(product, image):
        with product.stranger.stream(method, path, headers={"accept": "text/html"}) as answer:
            assert_headers(answer)
        asked += 1
    assert asked > 40


def every_route(product: Product, image: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give every operation of the document, and what is not in it."""
    document = product.stranger.get("/openapi.json").json()
    for template, operations in document["paths"].items():
        path = template.replace("{image_id}", image["id"])
        for method in operations:
            if method in {"get", "post", "put", "patch", "delete"}:
                yield method.upper(), path
        yield "OPTIONS", path
    for path in (
        "/",
        "/docs",
        "/docs/errors.json",
        "/assets/upload.css",
        "/openapi",
        "/nothing",
        "/i/nothing",
        "/p/nothing",
    ):
        yield "GET", path
    for url in (image["url"], image["page_url"], *image["thumbnails"].values()):
        yield "GET", urlsplit(url).path
        yield "POST", urlsplit(url).path


def assert_headers(answer: httpx.Response) -> None:
    headers, where = answer.headers, f"{answer.request.method} {answer.request.url.path}"
    assert headers["strict-transport-security"] == "max-age=31536000", where
    assert headers["x-content-type-options"] == "nosniff", where
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}, where
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, where
    assert "frame-ancestors 'none'" in policy or "sandbox" in policy, where
    assert "unsafe-eval" not in policy, where
    picture = headers.get("content-type", "").startswith("image/") and "/i/" in where
    assert headers["cross-origin-resource-policy"] == (EMBEDDABLE if picture else "same-origin"), where
    document = headers.get("content-type", "").startswith("text/html")
    assert {name for name in DOCUMENT if name in headers} == (DOCUMENT if document else set()), where
    assert "set-cookie" not in headers, where


def test_a_cache_that_asks_again_hears_nothing_that_would_replace_a_policy(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(300, 200, seed=906)))
    for address in (image["url"], "/docs"):
        first = product.stranger.get(address)
        again = product.stranger.get(address, headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.headers.get("content-security-policy", "") in {"", first.headers["content-security-policy"]}
        assert "strict-transport-security" in again.headers


# Last, because the server ends


def test_a_start_without_the_key_is_refused_and_another_key_takes_over_by_command(story: Story) -> None:
    product = story.product
    assert product.stop() == 0
    for key, said in (("", "no key is set"), (f"echo {SECOND}", "what is set is"), ("false", "ended with status 1")):
        refused = serve(story, TINTYPE_BLOB_KEY_COMMAND=key)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert FIRST not in refused.stderr + refused.stdout
        assert SECOND not in refused.stderr + refused.stdout
    changing = {"TINTYPE_BLOB_KEY_COMMAND": "", "TINTYPE_BLOB_KEY": SECOND, "TINTYPE_BLOB_KEY_OLD": FIRST}
    done = tintype("encrypt-blobs", "--data", str(product.data), environment=story.environment | changing)
    assert done.returncode == 0, done.stderr
    assert stored(story, KeyRing(bytes.fromhex(SECOND))) == story.before_content
    ending = {"TINTYPE_BLOB_KEY_COMMAND": "", "TINTYPE_BLOB_KEY_OLD": SECOND}
    refused = tintype("encrypt-blobs", "--off", "--data", str(product.data), environment=story.environment | changing)
    assert (refused.returncode, "restart `tintype serve`" in refused.stderr) == (2, True)
    done = tintype("encrypt-blobs", "--off", "--data", str(product.data), environment=story.environment | ending)
    assert "Every image is in clear." in done.stdout, done.stderr
    assert stored(story, KeyRing(None)) == story.before_content


def stored(story: Story, keys: KeyRing) -> bytes:
    """Return the first image's bytes as somebody with these keys alone reads them."""
    blobs = SealedBlobDirectory(story.product.data / "blobs", keys, accept_clear=not keys.ids)
    (key,) = [found.key for found in blobs.walk("") if found.key.endswith(story.before["sha256"])]
    with blobs.open(key) as file:
        return file.read()


def serve(story: Story, **environment: str) -> Any:  # noqa: ANN401 -- what subprocess returns
    return tintype("serve", "--data", str(story.product.data), environment=story.environment | environment)
