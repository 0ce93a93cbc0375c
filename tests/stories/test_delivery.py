"""How bytes are delivered: the format that is asked for, what caches are told, conditions and ranges (RFC 9110)."""

import io
import re
from typing import Any, Final

import httpx
import pytest
from PIL import Image

import samples
from product import Product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
CHROME: Final = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FOR_EVER: Final = "public, max-age=31536000, immutable"
THIRTY_DAYS: Final = "public, max-age=2592000"
FIVE_MINUTES: Final = "public, max-age=300"


@pytest.fixture(scope="module")
def image(product: Product) -> dict[str, Any]:
    """Give a public image that is ready."""
    return product.settled(product.upload(samples.jpeg(seed=80)))


@pytest.fixture(scope="module")
def link(image: dict[str, Any]) -> str:
    return f"/i/{image['id']}"


def get(product: Product, path: str, **headers: str) -> httpx.Response:
    return product.stranger.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


# Formats


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        (CHROME, "image/webp"),
        ("image/webp", "image/webp"),
        ("*/*", "image/jpeg"),
        ("", "image/jpeg"),
        ("image/webp;q=0, */*", "image/jpeg"),
        ("image/png", "image/jpeg"),
        ("text/html", "image/jpeg"),
    ],
)
def test_webp_is_for_who_names_it(product: Product, link: str, accept: str, found: str) -> None:
    answer = get(product, f"{link}/thumb?v=1", accept=accept)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, found, "Accept")
    assert Image.open(io.BytesIO(answer.content)).format == found.removeprefix("image/").upper()


@pytest.mark.parametrize(("extension", "found"), [("jpg", "jpeg"), ("webp", "webp"), ("png", "png")])
def test_an_extension_decides_alone(product: Product, link: str, extension: str, found: str) -> None:
    answer = get(product, f"{link}/thumb.{extension}", accept=CHROME)
    assert answer.headers["content-type"] == f"image/{found}"
    assert "vary" not in answer.headers


def test_the_original_is_what_it_is_whatever_is_accepted(product: Product, link: str) -> None:
    for path in ("original", "original.jpg"):
        answer = get(product, f"{link}/{path}", accept="image/webp")
        assert answer.headers["content-type"] == "image/jpeg"
        assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "name", ["original.png", "original.webp", "thumb.gif", "thumb.avif", "thumb.exe", "huge", "huge.jpg"]
)
def test_what_an_image_has_not_is_not_found(product: Product, link: str, name: str) -> None:
    assert_problem(get(product, f"{link}/{name}?v=1"), 404, "not_found")


# What caches are told


@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("thumb.jpg?v=1", FOR_EVER),
        ("large.webp?v=1", FOR_EVER),
        ("original.jpg?v=1", FOR_EVER),
        ("thumb?v=1", THIRTY_DAYS),
        ("thumb", FIVE_MINUTES),
        ("thumb.jpg", FIVE_MINUTES),
        ("original.jpg", FIVE_MINUTES),
    ],
)
def test_a_url_is_cached_for_as_long_as_it_means_the_same(product: Product, link: str, name: str, control: str) -> None:
    for _ in range(2):  # made ready by the first
        assert get(product, f"{link}/{name}").headers["cache-control"] == control


@pytest.mark.parametrize("version", ["0", "2", "999999999"])
def test_another_version_leads_to_the_current_one(product: Product, link: str, version: str) -> None:
    answer = get(product, f"{link}/thumb.jpg?v={version}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"{link}/thumb.jpg?v=1")
    assert seconds_cached(answer) <= 10


def seconds_cached(answer: httpx.Response) -> int:
    found = re.search(r"max-age=(\d+)", answer.headers["cache-control"])
    return int(found[1]) if found else 0


@pytest.mark.parametrize("version", ["x", "-1", "1.0", "0x1", "1234567890", "%00", "1 ", "١"])
def test_a_version_that_is_no_number_is_unreadable(product: Product, link: str, version: str) -> None:
    assert_problem(get(product, f"{link}/thumb.jpg?v={version}"), 400, "request.unreadable")


def test_a_refusal_is_cached_for_seconds_at_the_most(product: Product, link: str) -> None:
    for path in (f"{link}/huge", f"{link[:-1]}!/thumb", f"{link}/thumb?v=x"):
        answer = get(product, path)
        assert "no-store" in answer.headers["cache-control"] or seconds_cached(answer) <= 10


def test_bytes_are_tagged_and_never_taken_for_anything_but_an_image(product: Product, link: str) -> None:
    tenant = None
    for name in ("thumb", "thumb.webp?v=1", "large.jpg", "original.jpg?v=1"):
        headers = get(product, f"{link}/{name}").headers
        tag = re.fullmatch(r"(ten_[0-9A-Za-z]{11}) (img_[0-9A-Za-z]{22})", headers["cache-tag"])
        assert tag is not None
        assert tag[2] == link.removeprefix("/i/")
        assert tenant in {None, tag[1]}
        tenant = tag[1]
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "sandbox" in headers["content-security-policy"]
        assert headers["content-disposition"].startswith("inline; filename=")


def test_no_answer_sets_a_cookie(product: Product, link: str) -> None:
    paths = [
        f"{link}/thumb",
        f"{link}/huge",
        f"{link}/thumb?v=9",
        f"{IMAGES}/{link[3:]}",
        f"/p/{link[3:]}",
        "/",
        "/docs",
    ]
    for path in paths:
        for client in (product.stranger, product.client):
            assert "set-cookie" not in client.get(path).headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_and_head_are_answered(product: Product, link: str, method: str) -> None:
    for _ in range(2):
        assert_problem(product.stranger.request(method, f"{link}/thumb?v=1"), 405, "method_not_allowed")
        get(product, f"{link}/thumb?v=1")


# Conditions


def test_an_etag_is_strong_stays_and_differs_between_variants(product: Product, link: str) -> None:
    names = ["thumb.jpg", "thumb.webp", "gallery.jpg", "original.jpg"]
    first, again = ([get(product, f"{link}/{name}").headers["etag"] for name in names] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(names)
    assert all(re.fullmatch(r'"[!#-~]+"', etag) for etag in first)


@pytest.mark.parametrize("name", ["thumb?v=1", "thumb.webp", "original.jpg?v=1"])
def test_what_has_not_changed_is_304_without_a_body(product: Product, link: str, name: str) -> None:
    full = get(product, f"{link}/{name}")
    etag, modified = full.headers["etag"], full.headers["last-modified"]
    conditions: list[dict[str, str]] = [
        {"if_none_match": etag},
        {"if_none_match": f'"other", W/{etag}'},
        {"if_none_match": "*"},
        {"if_modified_since": modified},
        {"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"if_none_match": etag, "if_modified_since": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"if_none_match": etag, "range": "bytes=0-1"},
    ]
    for condition in conditions:
        answer = get(product, f"{link}/{name}", **condition)
        assert (answer.status_code, answer.content) == (304, b""), condition
        for header in ("etag", "cache-control", "vary", "last-modified"):
            assert answer.headers.get(header) == full.headers.get(header)


def test_what_has_changed_is_sent(product: Product, link: str) -> None:
    etag = get(product, f"{link}/thumb.jpg").headers["etag"]
    conditions: list[dict[str, str]] = [
        {"if_none_match": '"other"'},
        {"if_none_match": etag.strip('"')},
        {"if_modified_since": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"if_modified_since": "yesterday"},
        {"if_none_match": '"other"', "if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ]
    for condition in conditions:
        assert get(product, f"{link}/thumb.jpg", **condition).status_code == 200, condition


@pytest.mark.parametrize("name", ["thumb?v=1", "thumb.webp?v=1", "original.jpg?v=1", "huge", "thumb?v=9", "large"])
def test_head_has_the_headers_of_get_and_no_body(product: Product, link: str, name: str) -> None:
    asked, told = get(product, f"{link}/{name}"), product.stranger.head(f"{link}/{name}")
    of_the_moment = {"date", "x-request-id"}
    assert told.status_code == asked.status_code
    assert {k: v for k, v in told.headers.items() if k not in of_the_moment} == {
        k: v for k, v in asked.headers.items() if k not in of_the_moment
    }
    assert told.content == b""


# Ranges


def test_one_range_is_206_with_exactly_its_bytes(product: Product, link: str, image: dict[str, Any]) -> None:
    path, size = f"{link}/original.jpg?v=1", image["bytes"]
    whole = get(product, path).content
    ranges = {
        "bytes=0-9": (0, 9),
        "bytes=1000-1999": (1000, 1999),
        f"bytes={size - 1}-": (size - 1, size - 1),
        "bytes=-100": (size - 100, size - 1),
        f"bytes=-{size * 2}": (0, size - 1),
        f"bytes=100-{size * 2}": (100, size - 1),
        "bytes=0-0": (0, 0),
    }
    for wanted, (start, end) in ranges.items():
        answer = get(product, path, range=wanted)
        assert (answer.status_code, answer.content) == (206, whole[start : end + 1]), wanted
        assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
        assert answer.headers["content-length"] == str(end - start + 1)
        assert answer.headers["accept-ranges"] == "bytes"


def test_a_range_that_cannot_be_given_is_416_and_says_how_long_it_is(
    product: Product, link: str, image: dict[str, Any]
) -> None:
    size = image["bytes"]
    for wanted in (f"bytes={size}-", "bytes=0-1,3-4", "bytes=9-1", "bytes=-0", "bytes=a-b", "bytes=-", "bytes=0-9,"):
        answer = get(product, f"{link}/original.jpg?v=1", range=wanted)
        assert (answer.status_code, answer.content) == (416, b""), wanted
        assert answer.headers["content-range"] == f"bytes */{size}"
        assert answer.headers["cache-control"] == "no-store"


def test_another_unit_than_bytes_is_not_understood_and_gets_everything(product: Product, link: str) -> None:
    assert get(product, f"{link}/original.jpg?v=1", range="pixels=0-9").status_code == 200


def test_if_range_gives_the_part_only_of_what_is_still_the_same(product: Product, link: str) -> None:
    path = f"{link}/original.jpg?v=1"
    headers = get(product, path).headers
    for same in (headers["etag"], headers["last-modified"]):
        assert get(product, path, range="bytes=0-9", if_range=same).status_code == 206
    for other in ('"other"', f"W/{headers['etag']}", "Thu, 01 Jan 2026 00:00:00 GMT", "nonsense"):
        assert get(product, path, range="bytes=0-9", if_range=other).status_code == 200, other


# By way of the resource


def test_a_size_is_a_redirect_that_leads_to_the_bytes(product: Product, image: dict[str, Any]) -> None:
    for size in ("thumb", "gallery", "medium", "large", "original"):
        answer = get(product, f"{IMAGES}/{image['id']}?size={size}")
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["cache-control"] == "no-store"
        followed = product.stranger.get(answer.headers["location"])
        assert followed.headers["content-type"] == "image/jpeg"
        assert f"/i/{image['id']}/{size}" in answer.headers["location"]


def test_variants_are_listed_with_what_is_made_of_them(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(3000, 2000, seed=81)))

    def listed() -> dict[tuple[str, str], dict[str, Any]]:
        items = get(product, f"{IMAGES}/{image['id']}/variants").json()["items"]
        return {(item["preset"], item["format"]): item for item in items}

    before = listed()
    presets, formats = ("thumb", "gallery", "medium", "large"), ("jpeg", "webp")
    assert set(before) == {(preset, fmt) for preset in presets for fmt in formats}
    assert {item["state"] for (preset, _), item in before.items() if preset != "large"} == {"ready"}
    lazy = before["large", "webp"]
    assert (lazy["state"], lazy["width"], lazy["height"], lazy["bytes"]) == ("on_demand", None, None, None)
    made = get(product, lazy["url"]).content
    after = listed()["large", "webp"]
    assert (after["state"], after["width"], after["height"], after["bytes"]) == ("ready", 2048, 1365, len(made))
    for item in before.values():
        assert get(product, item["url"]).headers["content-type"] == f"image/{item['format']}"


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/i/x", "/i/{id}/thumb", "/api/v1/images/{id}"])
def test_a_request_id_that_is_sane_comes_back_and_any_other_is_replaced(
    product: Product, image: dict[str, Any], path: str
) -> None:
    path = path.format(id=image["id"])
    assert get(product, path, x_request_id="a-b_c.1").headers["x-request-id"] == "a-b_c.1"
    for other in ("", "a b", "a" * 65, "<script>", "a;b", "ä"):
        sent = [(b"x-request-id", other.encode())]
        given = product.stranger.get(path, headers=sent).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", given), other
    assert get(product, path).headers["x-request-id"] != get(product, path).headers["x-request-id"]
