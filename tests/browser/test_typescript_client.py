"""`@tintype/client`, built as it is published, against the product: in Node, and in a page of another site."""

import random
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, Route

import samples
from nodejs import TYPESCRIPT_CLIENT, install_packages, run_node
from postgres import passable_directory
from product import Product, eventually, free_port, start_product

LARGE_BYTES: Final = 9_000_000
"""Two parts, and below what a picture may have."""

SLOW: Final = 9_000_000
"""Bytes per second: so slow that an upload can be caught half way."""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Build the package."""
    install_packages()
    shutil.rmtree(TYPESCRIPT_CLIENT / "dist", ignore_errors=True)
    done = run_node("node_modules/typescript/bin/tsc", "--project", "tsconfig.build.json")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a photograph and a large file, most of which is no pixels: there is less to decode."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "photo.jpg").write_bytes(samples.jpeg(image=samples.noise(400, 300)))
    small, beside = samples.png(64, 48), samples.png_chunk(b"raNd", random.Random(5).randbytes(LARGE_BYTES))
    end = small.index(b"IDAT") - 4
    (folder / "large.png").write_bytes(small[:end] + beside + small[end:])
    return folder


@pytest.fixture(scope="module")
def hook_port() -> int:
    """Give the port of a receiver of webhooks."""
    return free_port()


@pytest.fixture(scope="module")
def product(hook_port: int) -> Iterator[Product]:
    """Give a product that may fetch from itself, and call the receiver."""
    port = free_port()
    environment = {"TINTYPE_OUTGOING__ALLOW": "127.0.0.1", "TINTYPE_OUTGOING__PORTS": f"80,443,{port},{hook_port}"}
    with (
        passable_directory() as directory,
        start_product(directory / "data", environment=environment, port=port) as running,
    ):
        yield running


def test_the_client_does_in_node_what_it_promises(product: Product, pictures: Path, hook_port: int) -> None:
    done = run_node(
        "e2e/node.test.js",
        environment={
            "TINTYPE_URL": product.base_url,
            "TINTYPE_API_KEY": product.api_key,
            "PICTURES": str(pictures),
            "HOOK_PORT": str(hook_port),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert product.api_key not in product.log.read_text()


def test_the_first_lines_of_its_readme_work(product: Product, pictures: Path) -> None:
    (program, *_) = re.findall(r"```js\n(.*?)```", (TYPESCRIPT_CLIENT / "README.md").read_text(), re.DOTALL)
    done = run_node(
        *("--input-type=module", "--eval", program.replace("photo.jpg", str(pictures / "photo.jpg"))),
        environment={"TINTYPE_URL": product.base_url, "TINTYPE_API_KEY": product.api_key},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) >= 3


class Files(SimpleHTTPRequestHandler):
    """Serves the package, and pictures to send."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def other_site(folder: Path) -> Iterator[str]:
    """Give the address of a site that serves this folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def site(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of another site, which has the built package and the pictures."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("dist", "e2e", "node_modules"):
        (folder / name).symlink_to(TYPESCRIPT_CLIENT / name)
    (folder / "pictures").symlink_to(pictures)
    with other_site(folder) as address:
        yield address


@pytest.fixture
def page(browser: Browser, product: Product, site: str) -> Iterator[Page]:
    """Give a page of the other site, whose origin the tenant lists."""
    product.client.patch("/api/v1/tenants/default", json={"origins": [site]}).raise_for_status()
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{site}/e2e/page.html")
    opened.wait_for_function("window.scenarios !== undefined")
    yield opened
    context.close()


def played(page: Page, scenario: str, **given: object) -> Any:  # noqa: ANN401 -- what the page's JavaScript returns
    """Return what the scenario of e2e/page.js does; what it throws fails the test."""
    return page.evaluate("([name, given]) => window.scenarios[name](given)", [scenario, given])


def reserved(product: Product, path: Path, **more: str) -> dict[str, Any]:
    """Return a one-time link as any backend would ask for it."""
    wanted = {"method": "put", "size": path.stat().st_size, "content_type": "image/png", **more}
    answer = product.client.post("/api/v1/uploads", json=wanted)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.chromium
@pytest.mark.parametrize("method", ["put", "multipart", "tus"])
def test_a_page_of_another_site_sends_a_file_by_a_one_time_link(
    page: Page, product: Product, pictures: Path, method: str
) -> None:
    link = reserved(product, pictures / "large.png", method=method, visibility="private")
    done = played(page, "uploadByLink", link=link, path="/pictures/large.png", url=product.base_url)
    assert done["id"] == link["image_id"]
    assert done["steps"] >= 1, "the page sees how far it is"
    assert product.client.get(f"/api/v1/images/{done['id']}").json()["visibility"] == "private"


@pytest.mark.chromium
def test_a_page_of_another_site_uploads_for_somebody_without_an_account(page: Page, product: Product) -> None:
    played(page, "uploadAsStranger", url=product.base_url, path="/pictures/photo.jpg")


@pytest.mark.chromium
def test_a_page_is_told_why_a_file_is_refused(page: Page, product: Product) -> None:
    refused = played(page, "sendTooMuch", url=product.base_url, bytes=10_000_001)
    assert refused == {"code": "image.too_large", "known": True, "name": "ImageTooLarge"}


@pytest.mark.chromium
def test_a_page_whose_connection_breaks_sends_again_by_itself(page: Page, product: Product, pictures: Path) -> None:
    broken: list[str] = []

    def once(route: Route) -> None:
        if route.request.method == "PUT" and not broken:
            broken.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/uploads/*/content?*", once)
    link = reserved(product, pictures / "large.png")
    played(page, "uploadByLink", link=link, path="/pictures/large.png", url=product.base_url)
    assert len(broken) == 1


@pytest.mark.chromium
def test_a_page_that_is_reloaded_goes_on_where_it_was(page: Page, product: Product) -> None:
    devtools = page.context.new_cdp_session(page)
    line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW}
    devtools.send("Network.emulateNetworkConditions", line)
    upload = {"url": product.base_url, "path": "/pictures/large.png"}
    ((before,),) = product.query("SELECT count(*) FROM uploads")
    played(page, "begin", **upload, until=LARGE_BYTES // 2)
    page.reload()
    page.wait_for_function("window.scenarios !== undefined")
    devtools.send("Network.emulateNetworkConditions", {**line, "uploadThroughput": -1})
    gone_on = played(page, "goOn", **upload)
    assert gone_on["from"] > LARGE_BYTES // 4, "all of it was sent again"
    assert gone_on["kept"] == []
    assert product.query("SELECT count(*) FROM uploads") == [(before + 1,)]


@pytest.mark.chromium
def test_a_page_that_gives_an_upload_up_leaves_nothing_reserved(page: Page, product: Product) -> None:
    assert played(page, "giveUp", url=product.base_url, path="/pictures/large.png") == "enough"
    waiting = "SELECT count(*) FROM uploads WHERE ended_at IS NULL"
    assert eventually(lambda: product.query(waiting) == [(0,)])
