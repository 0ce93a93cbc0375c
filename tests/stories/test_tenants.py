"""Tenants: who makes, sees and changes them, what they may say of themselves, and what their suspension ends."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import samples
from actors import Asker, Askers, everybody
from command_line import tintype
from product import Product, eventually, own_product

SECONDS: Final = 5.0
"""Within which a suspension acts."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def askers(product: Product) -> Iterator[Askers]:
    with everybody(product) as found:
        yield found


def fresh() -> str:
    return f"t-{secrets.token_hex(5)}"


@contextmanager
def tenant_of_its_own(product: Product, **fields: object) -> Iterator[tuple[dict[str, Any], httpx.Client]]:
    """Give a tenant that was just made, and a client with its first key."""
    answer = product.client.post("/api/v1/tenants", json={"slug": fresh(), **fields})
    assert answer.status_code == 201, answer.text
    headers = {"authorization": f"Bearer {answer.json()['api_key']['secret']}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        yield dict(answer.json()), client


def fields_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


def test_a_new_tenant_has_what_was_said_of_it_in_its_one_spelling_and_a_key(product: Product) -> None:
    host = f"{fresh()}.Bücher.example."
    with tenant_of_its_own(product, hostnames=[host], origins=["HTTPS://App.example.org:443/"], name="Books") as (
        tenant,
        client,
    ):
        assert tenant["hostnames"] == [host.lower().removesuffix(".").replace("bücher", "xn--bcher-kva")]
        assert (tenant["origins"], tenant["name"]) == (["https://app.example.org"], "Books")
        uploaded = client.post("/api/v1/images", content=samples.jpeg(30, 20, seed=1))
        assert uploaded.status_code == 201
        assert product.client.get(f"/api/v1/images/{uploaded.json()['id']}").status_code == 200  # public
        assert uploaded.json()["id"] not in product.client.get("/api/v1/images").text
        seen = client.get(f"/api/v1/tenants/{tenant['slug']}")
        assert seen.json() == {name: value for name, value in tenant.items() if name != "api_key"}


def test_a_host_name_leads_strangers_to_its_tenant(product: Product) -> None:
    host = f"{fresh()}.example"
    with tenant_of_its_own(product, hostnames=[host]) as (tenant, client):
        answer = product.stranger.post(
            "/api/v1/images", content=samples.jpeg(30, 20, seed=2), headers={"host": f"{host.upper()}:8000"}
        )
        assert answer.status_code == 201
        assert answer.json()["id"] in client.get("/api/v1/images").text
        assert tenant["hostnames"] == [host]


def test_another_tenant_s_slug_or_host_name_is_a_conflict_and_nothing_is_made(product: Product) -> None:
    host = f"{fresh()}.example"
    with tenant_of_its_own(product, hostnames=[host]) as (tenant, _):
        for body in ({"slug": tenant["slug"]}, {"slug": fresh(), "hostnames": [host.upper(), "free.example"]}):
            answer = product.client.post("/api/v1/tenants", json=body)
            assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        with tenant_of_its_own(product) as (other, _):
            there = f"/api/v1/tenants/{other['slug']}"
            for change in ({"hostnames": [host]}, {"slug": tenant["slug"]}):
                assert product.client.patch(there, json=change).status_code == 409
            assert product.client.get(there).json()["revision"] == 1
        assert product.query("SELECT 1 FROM hostnames WHERE host = 'free.example'") == []


def test_every_bad_field_is_named_at_once_and_nothing_is_changed(product: Product) -> None:
    body = {
        "slug": "Nö",
        "hostnames": ["no host", 7, "https://x.example"],
        "origins": ["example.org", "https://a.example/path", "null"],
        "anonymous_uploads": "yes",
        "presets": {"card": {"width": 0, "hight": 3}, "original": {"width": 1, "height": 1}, "Bad.name": {}},
        "kinds": {"image": {"presets": ["none"], "max_bytes": "9GB", "formats": [["jpeg"]]}, "x": 5},
        "nonsense": 1,
    }
    found = fields_of(product.client.post("/api/v1/tenants", json=body))
    assert {
        *("slug", "hostnames.0", "hostnames.1", "hostnames.2", "origins.0", "origins.1", "origins.2", "nonsense"),
        *("anonymous_uploads", "presets.card", "presets.card.width", "presets.card.hight", "presets.original"),
        *("presets.Bad.name", "kinds.image.presets", "kinds.image.max_bytes", "kinds.image.formats", "kinds.x"),
    } == found.keys()


def test_a_tenant_s_kinds_and_presets_are_its_own_from_the_next_upload_on(product: Product) -> None:
    with tenant_of_its_own(product) as (tenant, client):
        there = f"/api/v1/tenants/{tenant['id']}"
        before = client.post("/api/v1/images", content=samples.jpeg(60, 40, seed=3)).json()
        change = {
            "presets": {"card": {"width": 32, "height": 18}, "thumb": {"width": 10, "height": 10}},
            "kinds": {
                "product": {"presets": ["card"], "outputs": ["webp"], "max_bytes": "5kB", "visibility": "unlisted"},
                "image": {"presets": ["thumb", "card"]},
            },
        }
        changed = client.patch(there, json=change)
        assert (changed.status_code, changed.json()["kinds"]) == (200, change["kinds"])
        small, big = samples.jpeg(30, 20, seed=4), samples.jpeg(900, 700, seed=5)

        def of_kind(data: bytes, who: httpx.Client = client) -> httpx.Response:
            return who.post("/api/v1/images", params={"kind": "product"}, content=data)

        assert eventually(lambda: all(of_kind(small).status_code == 201 for _ in range(4)))  # every process has heard
        made = of_kind(small).json()
        assert (made["kind"], made["visibility"], list(made["thumbnails"])) == ("product", "unlisted", ["card"])
        assert of_kind(big).status_code == 413
        shown = client.get(f"/api/v1/images/{before['id']}/variants").json()["items"]
        assert "card" in {variant["preset"] for variant in shown}  # its kind was given it since
        assert client.get(f"/i/{before['id']}/card.webp").status_code == 200
        assert fields_of(of_kind(small, product.client)).keys() == {"kind"}
        less = client.patch(there, json={"kinds": {"product": None, "image": {"presets": None}}, "presets": None})
        assert (less.json()["kinds"], less.json().get("presets")) == ({"image": {}}, {})
        assert eventually(lambda: of_kind(small).status_code == 422)


def test_whether_strangers_may_upload_is_the_tenant_s_say(product: Product) -> None:
    host = f"{fresh()}.example"
    with tenant_of_its_own(product, hostnames=[host], anonymous_uploads=False) as (tenant, client):
        photo = samples.jpeg(30, 20, seed=6)
        refused = product.stranger.post("/api/v1/images", content=photo, headers={"host": host})
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.required")
        client.patch(f"/api/v1/tenants/{tenant['slug']}", json={"anonymous_uploads": None})
        assert eventually(
            lambda: product.stranger.post("/api/v1/images", content=photo, headers={"host": host}).status_code == 201
        )


def answers(door: Callable[[], httpx.Response], status: int) -> bool:
    """Return whether every process answers so, as far as can be told."""
    return all(door().status_code == status for _ in range(6))


def test_a_suspended_tenant_is_served_nothing_within_five_seconds_and_resumes_whole(product: Product) -> None:
    host = f"{fresh()}.example"
    with tenant_of_its_own(product, hostnames=[host]) as (tenant, client):
        image = client.post("/api/v1/images", content=samples.jpeg(30, 20, seed=7)).json()
        product.settled(image)  # from here on nothing but its tenant changes
        doors: dict[str, Callable[[], httpx.Response]] = {
            "bytes": lambda: product.stranger.get(f"/i/{image['id']}/original.jpg?v=1"),
            "page": lambda: product.stranger.get(f"/p/{image['id']}"),
            "metadata": lambda: product.stranger.get(f"/api/v1/images/{image['id']}"),
            "key": lambda: client.get("/api/v1/images"),
            "host": lambda: product.stranger.post("/api/v1/images", content=b"x", headers={"host": host}),
            "home": lambda: product.stranger.get("/", headers={"host": host}),
            "itself": lambda: client.get(f"/api/v1/tenants/{tenant['id']}"),
        }
        for _ in range(8):  # both API processes remember the bytes
            assert doors["bytes"]().status_code == 200
        suspended = product.client.post(f"/api/v1/tenants/{tenant['slug']}/suspend")
        assert (suspended.status_code, suspended.json()["state"]) == (200, "suspended")
        assert product.client.post(f"/api/v1/tenants/{tenant['slug']}/suspend").json() == suspended.json()
        for name, door in doors.items():
            assert eventually(partial(answers, door, 403), within=SECONDS), name
            assert door().json()["code"] == "tenant.suspended", name
        assert product.client.post(f"/api/v1/tenants/{tenant['slug']}/resume").json()["state"] == "active"
        for name in ("bytes", "key", "home"):
            assert eventually(partial(answers, doors[name], 200), within=SECONDS), name


def test_the_tenant_default_is_neither_suspended_nor_renamed(product: Product) -> None:
    assert product.client.post("/api/v1/tenants/default/suspend").status_code == 409
    assert set(fields_of(product.client.patch("/api/v1/tenants/default", json={"slug": "other"}))) == {"slug"}
    assert product.client.patch("/api/v1/tenants/default", json={"name": None, "slug": "default"}).status_code == 200


def test_of_two_changes_of_one_state_the_second_is_told(product: Product) -> None:
    with tenant_of_its_own(product) as (tenant, client):
        there = f"/api/v1/tenants/{tenant['slug']}"
        read = {"if-match": client.get(there).headers["etag"]}
        first = client.patch(there, json={"name": "One"}, headers=read)
        assert (first.status_code, first.headers["etag"]) == (200, '"2"')
        second = client.patch(there, json={"name": "Two"}, headers=read)
        assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
        unchanged = client.patch(there, json={"name": "One"})
        assert unchanged.headers["etag"] == '"2"'


def test_an_operator_sees_and_changes_their_own_tenant_and_no_other(askers: Askers) -> None:
    operator, key = askers.clients[Asker.OTHER_ACCOUNT], askers.clients[Asker.OTHER_KEY]
    own = f"/api/v1/tenants/other-{askers.other_tenant:x}"
    for client in (operator, key):
        assert client.get(own).status_code == 200
        assert client.patch(own, json={"origins": ["https://a.example"]}).status_code == 200
        for path in ("/api/v1/tenants/default", "/api/v1/tenants/no-such", "/api/v1/tenants/ten_00000000000"):
            assert client.get(path).status_code == 404
            assert client.patch(path, json={"name": "x"}).status_code == 404
        for body in ({"hostnames": ["bank.example"]}, {"slug": "bank"}):
            assert client.patch(own, json=body).status_code == 403
        assert client.get("/api/v1/tenants").status_code == 403
        assert client.post("/api/v1/tenants", json={"slug": fresh()}).status_code == 403
        assert client.post(f"{own}/suspend").status_code == 403


def test_whoever_runs_the_server_lists_every_tenant_newest_first(product: Product) -> None:
    with tenant_of_its_own(product) as (first, _), tenant_of_its_own(product) as (second, _):
        page = product.client.get("/api/v1/tenants", params={"limit": 1}).json()
        assert [tenant["slug"] for tenant in page["items"]] == [second["slug"]]
        rest = product.client.get("/api/v1/tenants", params={"cursor": page["next"]}).json()["items"]
        assert rest[0]["slug"] == first["slug"]
        assert rest[-1]["slug"] == "default"
        for cursor in ("x", "img_00000000000", "ten_zzzzzzzzzzz"):
            assert product.client.get("/api/v1/tenants", params={"cursor": cursor}).status_code == 400


def test_a_repeated_request_for_a_tenant_gets_the_same_tenant_and_key(product: Product) -> None:
    body, headers = {"slug": fresh()}, {"idempotency-key": secrets.token_hex(8)}
    first, again = (product.client.post("/api/v1/tenants", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = product.client.post("/api/v1/tenants", json={"slug": fresh()}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")
    kept = product.query("SELECT answer FROM idempotency_keys WHERE answer LIKE %s", f"%{body['slug']}%")
    assert kept
    assert first.json()["api_key"]["secret"][15:] not in str(kept)


def test_pages_of_listed_origins_may_call_with_the_cookie_and_no_others(product: Product) -> None:
    host, origin = f"{fresh()}.example", "https://app.example.org"
    with tenant_of_its_own(product, hostnames=[host], origins=[origin]):
        asking = {"host": host, "access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
        preflight = product.stranger.options("/api/v1/images/x", headers={**asking, "origin": origin})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == origin
        assert preflight.headers["access-control-allow-credentials"] == "true"
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert {"If-Match", "Upload-Offset", "X-CSRF-Token"} <= set(
            preflight.headers["access-control-allow-headers"].split(", ")
        )
        for other in ("https://app.example.org.evil.example", "http://app.example.org", "null"):
            refused = product.stranger.options("/api/v1/images/x", headers={**asking, "origin": other})
            answer = product.stranger.get("/api/v1/images/x", headers={"host": host, "origin": other})
            for each in (refused, answer):
                assert not [name for name in each.headers if name.startswith("access-control-")]
                assert each.headers["vary"] == "Origin"
        answer = product.stranger.get("/api/v1/images/x", headers={"host": host, "origin": origin})
        assert answer.status_code == 404  # a refusal can be read, too
        assert answer.headers["access-control-allow-origin"] == origin
        exposed = set(answer.headers["access-control-expose-headers"].split(", "))
        assert {"ETag", "Location", "Upload-Offset", "Tintype-Image", "RateLimit", "X-Request-Id"} <= exposed
        elsewhere = product.stranger.get("/api/v1/images/x", headers={"origin": origin})  # the tenant default's host
        assert "access-control-allow-origin" not in elsewhere.headers


def test_any_origin_is_never_allowed_the_cookie(product: Product) -> None:
    host = f"{fresh()}.example"
    with tenant_of_its_own(product, hostnames=[host], origins=["*"]):
        answer = product.stranger.get("/api/v1/images/x", headers={"host": host, "origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_pages_of_any_site_may_read_image_bytes_where_they_are_led_and_why_not(product: Product) -> None:
    image = product.upload(samples.jpeg(30, 20, seed=8))
    product.client.put(f"/api/v1/images/{image['id']}/content", content=samples.png(30, 20, seed=9))
    paths = {f"/i/{image['id']}/original.png?v=2": 200, f"/i/{image['id']}/original.jpg?v=1": 302, "/i/img_none": 404}
    for path, status in paths.items():
        answer = product.stranger.get(path, headers={"origin": "https://any.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "*")
        assert "access-control-allow-credentials" not in answer.headers


def test_changes_of_tenants_are_in_the_log_of_the_tenant_and_of_who_made_them(product: Product) -> None:
    with tenant_of_its_own(product) as (tenant, client):
        product.client.patch(f"/api/v1/tenants/{tenant['slug']}", json={"name": "Logged"})
        for reader in (client, product.client):
            found = reader.get("/api/v1/audit", params={"object": tenant["id"]}).json()["items"]
            assert [entry["action"] for entry in found] == ["tenant.changed", "tenant.created"]


def test_the_command_line_makes_changes_lists_and_suspends_tenants(product: Product, tmp_path: Path) -> None:
    slug, data = fresh(), ["--data", str(product.data)]
    made = tintype("tenant", "create", slug, "--host", f"{slug}.example", "--name", "By hand", *data)
    assert (made.returncode, made.stderr) == (0, "")
    line, secret = made.stdout.splitlines()
    assert f"{slug}  active  {slug}.example  By hand" in line
    kinds = tmp_path / "kinds.toml"
    kinds.write_text('[presets.card]\nwidth = 32\nheight = 18\n[kinds.product]\npresets = ["card"]\n')
    words = ["--kinds", str(kinds), "--anonymous-uploads", "off", "--origin", "https://a.example", "--no-hosts"]
    assert tintype("tenant", "set", slug, *words, *data).returncode == 0
    headers = {"authorization": f"Bearer {secret}"}
    seen = product.stranger.get(f"/api/v1/tenants/{slug}", headers=headers).json()
    assert (seen["hostnames"], seen["origins"], seen["anonymous_uploads"]) == ([], ["https://a.example"], False)
    assert seen["kinds"] == {"product": {"presets": ["card"]}}
    kinds.write_text('[kinds.product]\npresets = ["card"]\nmax_bytes = "much"\n')
    bad = tintype("tenant", "set", slug, "--kinds", str(kinds), *data)
    assert bad.returncode == 1
    assert "kinds.product.presets" in bad.stderr
    assert "kinds.product.max_bytes" in bad.stderr
    assert tintype("tenant", "suspend", slug, *data).returncode == 0
    assert f"{slug}  suspended" in tintype("tenant", "list", *data).stdout
    assert eventually(
        partial(answers, lambda: product.stranger.get("/api/v1/images", headers=headers), 403), within=SECONDS
    )
