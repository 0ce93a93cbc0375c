"""Signed URLs over HTTP, asked of two API processes: what they open, to whom, for how long, and by which key."""

import base64
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest

import samples
from command_line import tintype
from everywhere import Everywhere, everywhere_of
from postgres import passable_directory
from product import Product, start_product
from refusals import assert_problem
from tenants import another_tenant
from tintype.domain.signing import Signature, SigningKey, signed_url

IMAGES: Final = "/api/v1/images"
KEYS: Final = "/api/v1/signing-keys"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", "--api-processes", "2") as running:
        yield running


@pytest.fixture(scope="module")
def private(product: Product) -> dict[str, Any]:
    """Give a private image of the tenant's."""
    return product.settled(product.upload(samples.jpeg(seed=1500), visibility="private"))


@pytest.fixture(scope="module")
def everywhere(product: Product) -> Iterator[Everywhere]:
    with everywhere_of(product) as clients:
        yield clients


def signed(product: Product, image: dict[str, Any], preset: str = "thumb", **more: object) -> dict[str, Any]:
    answer = product.client.post(f"{IMAGES}/{image['id']}/signed-url", json={"preset": preset, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def max_age(answer: httpx.Response) -> int:
    found = re.fullmatch(r"public, max-age=(\d+)", answer.headers["cache-control"])
    assert found is not None, answer.headers["cache-control"]
    return int(found[1])


@pytest.mark.parametrize(
    ("preset", "more", "media_type"),
    [
        ("thumb", {}, "image/jpeg"),
        ("thumb", {"format": "webp"}, "image/webp"),
        ("large", {"format": "png"}, "image/png"),
        ("original", {}, "image/jpeg"),
    ],
)
def test_a_signed_url_shows_its_size_to_whoever_has_it_and_caches_keep_it_until_it_ends(
    product: Product,
    everywhere: Everywhere,
    private: dict[str, Any],
    preset: str,
    more: dict[str, Any],
    media_type: str,
) -> None:
    given = signed(product, private, preset, expires_in=900, **more)
    ends = int(re.findall(r"exp=(\d+)", given["url"])[0])
    assert 900 <= ends - time.time() + 2 <= 962
    for answer in everywhere.get(given["url"]):
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert ends - time.time() - 2 <= max_age(answer) <= ends - time.time() + 2
        assert private["id"] in answer.headers["cache-tag"]
        assert "expires" not in answer.headers
    etag = answer.headers["etag"]
    assert max_age(product.stranger.get(given["url"], headers={"if-none-match": etag})) <= 962
    assert product.stranger.get(given["url"], headers={"range": "bytes=0-9"}).status_code == 206
    assert product.stranger.head(given["url"]).headers["etag"] == etag


def test_everybody_who_asks_within_a_window_gets_the_same_url(product: Product, private: dict[str, Any]) -> None:
    def two() -> bool:
        return signed(product, private, expires_in=86_400) == signed(product, private, expires_in=86_400)

    assert two() or two()  # an hour may end between the two, not twice


def test_what_is_changed_cut_or_swapped_opens_nothing_and_tells_nothing(
    product: Product, everywhere: Everywhere, private: dict[str, Any]
) -> None:
    url = signed(product, private)["url"].removeprefix(product.base_url)
    other = product.settled(product.upload(samples.jpeg(seed=1501), visibility="private"))
    path, query = url.split("?")
    fields = dict(pair.split("=") for pair in query.split("&"))
    wrong = [
        path,
        f"{path}?v=1&exp={fields['exp']}",
        f"{path}?v=1&sig={fields['sig']}",
        f"{path}?exp={fields['exp']}&sig={fields['sig']}",
        f"{path}?v=2&exp={fields['exp']}&sig={fields['sig']}",
        f"{path}?v=1&exp={int(fields['exp']) + 60}&sig={fields['sig']}",
        f"{path}.jpg?{query}",
        f"{path.replace('thumb', 'original')}?{query}",
        f"{path.replace('thumb', 'original.jpg')}?{query}",
        f"{path.replace('thumb', 'gallery')}?{query}",
        f"{path.replace(private['id'], other['id'])}?{query}",
        f"{url[:-1]}",
        f"{url[:-1]}{'A' if url[-1] != 'A' else 'B'}",
        f"{url}A",
        f"{url.replace('sig=', 'sig=x')}",
        f"{path}?v=1&exp={fields['exp']}&sig=00000000-{'A' * 22}",
        f"{path}?v=1&exp={fields['exp']}&sig=%00",
        f"{path}?v=1&exp={fields['exp']}&token={fields['sig']}",
    ]
    nothing = product.stranger.get(f"/i/{private['id'][:-1]}{'A' if private['id'][-1] != 'A' else 'B'}/thumb").json()
    for address in wrong:
        problem = assert_problem(product.stranger.get(address), 404, "not_found")
        assert {**problem, "request_id": ""} == {**nothing, "request_id": ""}, address
    for elsewhere in (f"{IMAGES}/{private['id']}", f"{IMAGES}/{private['id']}/variants", f"/p/{private['id']}"):
        assert_problem(product.stranger.get(f"{elsewhere}?{query}"), 404, "not_found")
    assert everywhere.statuses(f"{path}?sig={fields['sig']}&exp={fields['exp']}&v=1&utm=x") == {200}


def test_a_url_ends_at_its_time_in_memory_too(
    product: Product, everywhere: Everywhere, private: dict[str, Any]
) -> None:
    """Signed as a server of the tenant's would, by a key whose secret it was given, to end in two seconds."""
    made = product.client.post(KEYS).json()
    path, ends = f"/i/{private['id']}/gallery.jpg", int(time.time()) + 3
    url = signed_url(SigningKey(made["kid"], decoded(made["secret"])), path, 1, ends)
    assert everywhere.statuses(url) == {200}
    while time.time() < ends + 0.1:  # so that every process has it ready, and its key fresh, until the end
        everywhere.get(url)
    for answer in everywhere.get(url):
        assert_problem(answer, 404, "not_found")


def decoded(secret: str) -> bytes:
    return base64.urlsafe_b64decode(secret + "=")


def test_a_rotated_key_verifies_until_the_next_and_is_known_everywhere_within_five_seconds(
    product: Product, everywhere: Everywhere, private: dict[str, Any]
) -> None:
    first = signed(product, private)["url"]
    assert everywhere.statuses(first) == {200}
    again = {"idempotency-key": "rotate-1"}
    answer = product.client.post(KEYS, headers=again)
    made = answer.json()
    assert (answer.status_code, made["state"], len(decoded(made["secret"]))) == (201, "signing", 32)
    assert product.client.post(KEYS, headers=again).json() == made  # lost on its way, and sent once more
    second = signed(product, private)["url"]
    assert f"sig={made['kid']}-" in second
    assert everywhere.statuses(second) == {200}
    assert everywhere.statuses(first) == {200}
    listed = product.client.get(KEYS).json()["items"]
    assert [key["state"] for key in listed] == ["signing", "verifying"]
    assert all("secret" not in key for key in listed)
    old = listed[1]["kid"]
    assert_problem(product.client.delete(f"{KEYS}/{made['kid']}"), 409, "conflict")
    assert product.client.delete(f"{KEYS}/{old}").status_code == 204
    assert everywhere.become(404, first)
    assert everywhere.statuses(second) == {200}
    assert_problem(product.client.delete(f"{KEYS}/{old}"), 404, "not_found")
    ((left,),) = product.query("SELECT count(*) FROM signing_keys WHERE state = 'retired' AND secret IS NOT NULL")
    assert left == 0


def test_no_secret_of_a_key_lies_in_the_database_or_in_the_log(product: Product, private: dict[str, Any]) -> None:
    made = product.client.post(KEYS).json()
    url = signed(product, private)["url"]
    product.stranger.get(url)
    for (stored,) in product.query("SELECT secret FROM signing_keys WHERE secret IS NOT NULL"):
        assert decoded(made["secret"]) not in stored
    signature = Signature.parse(*re.findall(r"(?:exp|sig)=([^&]+)", url))
    assert signature is not None
    log = product.log.read_text()
    assert signature.mac not in log
    assert made["secret"] not in log


def test_the_log_tells_who_asked_for_each_signed_url_and_who_changed_the_keys(
    product: Product, private: dict[str, Any]
) -> None:
    made = product.client.post(KEYS).json()
    signed(product, private, "large", format="webp")
    told = product.client.get("/api/v1/audit", params={"limit": 2}).json()["items"]
    assert [entry["action"] for entry in told] == ["image.url_signed", "tenant.signing_key_made"]
    assert told[0]["object"] == private["id"][:15]
    assert {entry["actor"]["type"] for entry in told} == {"key"}
    assert (told[0]["detail"]["size"], told[0]["detail"]["kid"]) == ("large.webp", made["kid"])
    assert told[1]["detail"] == {"kid": made["kid"]}


def test_of_rotations_side_by_side_two_keys_are_left(product: Product, everywhere: Everywhere) -> None:
    authorization = {"authorization": f"Bearer {product.api_key}"}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda client: client.post(KEYS, headers=authorization), everywhere.clients))
    made = {answer.json()["kid"] for answer in answers if answer.status_code == 201}
    assert {answer.status_code for answer in answers} <= {201, 503}
    listed = product.client.get(KEYS).json()["items"]
    assert [key["state"] for key in listed] == ["signing", "verifying"]
    assert listed[0]["kid"] in made


def test_keys_are_changed_at_the_command_line_too(product: Product, everywhere: Everywhere) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1507), visibility="private"))
    old = product.client.post(KEYS).json()["kid"]
    before = signed(product, image)["url"]
    rotated = tintype("signing-key", "rotate", "--data", str(product.data))
    assert (rotated.returncode, rotated.stderr) == (0, "")
    kid, secret = rotated.stdout.split()[0], rotated.stdout.split()[-1]
    own = signed_url(SigningKey(kid, decoded(secret)), f"/i/{image['id']}/thumb", 1, int(time.time()) + 60)
    assert everywhere.statuses(own, before) == {200}
    retired = tintype("signing-key", "retire", old, "--data", str(product.data))
    assert (retired.returncode, old in retired.stdout) == (0, True)
    assert everywhere.become(404, before)
    again = tintype("signing-key", "retire", old, "--data", str(product.data))
    assert (again.returncode, again.stdout, "no such key" in again.stderr) == (1, "", True)


def test_only_the_tenant_s_operator_sees_and_changes_its_keys(product: Product) -> None:
    ours = {key["kid"] for key in product.client.get(KEYS).json()["items"]}
    for method, path in (("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/{min(ours)}")):
        assert_problem(product.stranger.request(method, path), 401, "auth.required")
    with another_tenant(product) as theirs:
        assert theirs.get(KEYS).json() == {"items": []}
        assert_problem(theirs.delete(f"{KEYS}/{min(ours)}"), 404, "not_found")
        theirs.post(KEYS)
    assert {key["kid"] for key in product.client.get(KEYS).json()["items"]} == ours


def test_a_signature_by_another_tenant_s_key_opens_nothing(product: Product, private: dict[str, Any]) -> None:
    path, ends = f"/i/{private['id']}/thumb", int(time.time()) + 600
    with another_tenant(product) as theirs:
        made = theirs.post(KEYS).json()
    url = signed_url(SigningKey(made["kid"], decoded(made["secret"])), path, 1, ends)
    assert_problem(product.stranger.get(url), 404, "not_found")


def test_who_may_not_read_an_image_cannot_hand_it_on(
    product: Product, everywhere: Everywhere, private: dict[str, Any]
) -> None:
    anonymous = product.upload(samples.jpeg(seed=1502), anonymous=True, visibility="private")
    body = {"preset": "thumb"}
    for image in (private, anonymous):
        path = f"{IMAGES}/{image['id']}/signed-url"
        assert_problem(product.stranger.post(path, json=body), 404, "not_found")
        with another_tenant(product) as theirs:
            assert_problem(theirs.post(path, json=body), 404, "not_found")
    path = f"{IMAGES}/{anonymous['id']}/signed-url"
    assert_problem(product.stranger.post(f"{path}?token={anonymous['read_token']}", json=body), 404, "not_found")
    given = product.stranger.post(path, json=body, headers={"upload-token": anonymous["delete_token"]}).json()
    assert everywhere.statuses(given["url"]) == {200}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preset": "huge"}, "preset"),
        ({"preset": "original", "format": "png"}, "format"),
        ({"preset": "thumb", "expires_in": 0}, "expires_in"),
        ({"preset": "thumb", "expires_in": 604_801}, "expires_in"),
    ],
)
def test_what_cannot_be_signed_is_named(
    product: Product, private: dict[str, Any], body: dict[str, Any], field: str
) -> None:
    answer = product.client.post(f"{IMAGES}/{private['id']}/signed-url", json=body)
    assert [error["field"] for error in assert_problem(answer, 422, "request.invalid")["errors"]] == [field]


def test_no_signature_opens_what_is_gone_and_what_is_replaced_asks_for_another(
    product: Product, everywhere: Everywhere
) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1503), visibility="private", expires_in="100"))
    resource = f"{IMAGES}/{image['id']}"
    given = signed(product, image, "original", expires_in=86_400)
    assert given["expires_at"] == image["expires_at"]
    assert all(max_age(answer) <= 100 for answer in everywhere.get(given["url"]))
    product.client.put(f"{resource}/content", files={"file": samples.jpeg(seed=1504)})
    assert everywhere.become(302, given["url"])
    (location,) = {answer.headers["location"] for answer in everywhere.get(given["url"])}
    assert "sig=" not in location
    assert_problem(product.stranger.get(location), 404, "not_found")
    product.settled(image)
    given = signed(product, image, "original")
    assert everywhere.statuses(given["url"]) == {200}
    product.client.delete(resource)
    assert everywhere.become(404, given["url"])
    assert_problem(product.client.post(f"{resource}/signed-url", json={"preset": "thumb"}), 409, "conflict")
    product.client.delete(f"{resource}?purge=true")
    assert everywhere.become(410, given["url"])
    assert_problem(product.client.post(f"{resource}/signed-url", json={"preset": "thumb"}), 410, "image.gone")


def test_a_signed_url_of_a_public_image_is_kept_no_longer_either(product: Product, everywhere: Everywhere) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=1505)))
    given = signed(product, image)
    assert all(max_age(answer) <= 4_260 for answer in everywhere.get(given["url"]))
    assert product.stranger.get(given["url"][:-1]).headers["cache-control"].startswith("public")


def test_a_read_token_opens_every_way_that_only_looks(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=1506), anonymous=True, visibility="private")
    product.settled(image)
    paths: dict[str, dict[str, Any]] = product.stranger.get("/openapi.json").json()["paths"]
    ways = [path for path, methods in paths.items() if "{image_id}" in path and "get" in methods]
    looking = [way for way in ways if not way.endswith("/receipt")]  # which there is of what was purged alone
    assert len(looking) >= 4
    for way in [*looking, "/p/{image_id}", "/i/{image_id}/thumb", "/i/{image_id}/original.jpg"]:
        path = way.format(image_id=image["id"])
        assert product.stranger.get(path).status_code == 404, way
        assert product.stranger.get(path, params={"token": image["read_token"]}).status_code in {200, 204}, way
