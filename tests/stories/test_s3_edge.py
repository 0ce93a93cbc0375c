"""nginx before the product, fetching from the bucket what it is told to: with the configuration of docs/storage.md."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

import samples
from components import require
from postgres import passable_directory
from product import Product, eventually, free_port, start_product
from refusals import assert_problem
from s3_server import S3Server
from upkeep import UNSCHEDULED

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "storage.md"

MAIN: Final = """
daemon off;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {documented}
}}
"""


@dataclass
class Edge:
    """A product behind nginx, and what clients see of it."""

    product: Product
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Return what nginx answers."""
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture(scope="module")
def edge(s3_server: S3Server) -> Iterator[Edge]:
    require("nginx")
    environment = {
        **UNSCHEDULED,
        **s3_server.environment,
        "TINTYPE_BLOBS_URL": s3_server.bucket().url("images"),
        "TINTYPE_DELIVERY__REMOTE": "accel",
    }
    with (
        passable_directory() as directory,
        start_product(directory / "data", "--api-processes", "1", environment=environment) as product,
        nginx(directory / "nginx", product.base_url, s3_server.endpoint) as base_url,
        httpx.Client(base_url=base_url) as client,
    ):
        yield Edge(product, client)


@contextmanager
def nginx(directory: Path, product_url: str, endpoint: str) -> Iterator[str]:
    """Run nginx as the document says."""
    directory.mkdir()
    port = free_port()
    (documented,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    for written, meant in (
        ("/var/cache/nginx/tintype", str(directory / "cache")),
        ("http://127.0.0.1:8000", product_url),
        ("https://s3.example.org/", f"{endpoint}/"),
        ("Host s3.example.org", f"Host {urlsplit(endpoint).netloc}"),
        ("server {", f"server {{ listen 127.0.0.1:{port};"),
    ):
        assert written in documented
        documented = documented.replace(written, meant)
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = directory / "nginx.conf"
    configuration.write_text(MAIN.format(directory=directory, user=user, documented=documented))
    process = subprocess.Popen([require("nginx"), "-p", directory, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        base_url = f"http://127.0.0.1:{port}"
        assert eventually(lambda: answers(f"{base_url}/healthz"), within=10)
        yield base_url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def image(edge: Edge) -> dict[str, Any]:
    return edge.product.settled(edge.product.upload(samples.jpeg(1600, 1200, seed=850)))


def test_nginx_sends_from_the_bucket_what_the_product_would_send(edge: Edge, image: dict[str, Any]) -> None:
    path = f"/i/{image['id']}/original.jpg?v=1"
    told = edge.product.stranger.head(path).headers
    for _ in range(2):  # the second comes from nginx's cache
        answer = edge.get(path)
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        for name in (
            *("content-type", "content-length", "content-disposition", "etag", "last-modified", "cache-control"),
            *("cache-tag", "x-content-type-options", "content-security-policy", "access-control-allow-origin"),
        ):
            assert answer.headers.get_list(name) == [told[name]], name
    assert "x-accel-redirect" not in answer.headers
    assert edge.get(path, if_none_match=answer.headers["etag"]).status_code == 304


def test_nginx_sends_the_range_that_was_decided_on(edge: Edge, image: dict[str, Any]) -> None:
    path = f"/i/{image['id']}/original.jpg?v=1"
    whole = edge.get(path)
    part = edge.get(path, range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{image['bytes']}"
    fresh = edge.get(path, range="bytes=10-19", if_range=whole.headers["etag"])
    assert (fresh.status_code, fresh.content) == (206, part.content)
    stale = edge.get(path, range="bytes=10-19", if_range='"another"')
    assert (stale.status_code, stale.content) == (200, whole.content)
    assert edge.get(path, range=f"bytes={image['bytes']}-").status_code == 416


def test_nobody_asks_the_bucket_through_nginx_and_what_is_deleted_is_gone(edge: Edge) -> None:
    made = edge.product.settled(edge.product.upload(samples.jpeg(1600, 1200, seed=851)))
    path = f"/i/{made['id']}/original.jpg?v=1"
    assert edge.get(path).status_code == 200
    led = edge.product.stranger.get(path).headers["x-accel-redirect"]
    assert edge.get(led).status_code == 404
    assert edge.product.client.delete(f"/api/v1/images/{made['id']}?purge=true").status_code == 204
    assert_problem(edge.get(path), 410, "image.gone")
