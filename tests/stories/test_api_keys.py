"""API keys: who makes which, that none may more than its maker, and that a revoked one opens nothing."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

from actors import Asker, Askers, everybody, make_key
from command_line import tintype
from product import Product, eventually, own_product

READ: Final = ["images:read"]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@pytest.fixture(scope="module")
def askers(product: Product) -> Iterator[Askers]:
    with everybody(product) as found:
        yield found


def made(client: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = client.post("/api/v1/keys", json={"name": "a program", "scopes": READ, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def with_key(product: Product, secret: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.Client(base_url=product.base_url, headers=headers, timeout=30)


def test_a_key_opens_what_its_scopes_say_and_shows_its_secret_once(product: Product) -> None:
    key = made(product.client, scopes=["images:read"], name="  a shop ")
    assert (key["name"], key["scopes"], key["account"]) == ("a shop", ["images:read"], None)
    assert key["secret"].startswith(key["prefix"])
    with with_key(product, key["secret"]) as client:
        assert client.get("/api/v1/images").status_code == 200
        assert client.post("/api/v1/images", content=b"x").status_code == 403
        assert client.get("/api/v1/keys").status_code == 403
    shown = product.client.get(f"/api/v1/keys/{key['id']}")
    hidden = {"secret", "last_used_at"}
    assert {name: value for name, value in shown.json().items() if name not in hidden} == {
        name: value for name, value in key.items() if name not in hidden
    }
    assert key["secret"] not in shown.text
    assert key["secret"] not in product.client.get("/api/v1/keys").text
    assert key["secret"] not in product.log.read_text()


def test_a_revoked_key_opens_nothing_and_is_listed_no_more(product: Product) -> None:
    key = made(product.client)
    with with_key(product, key["secret"]) as client:
        assert client.get("/api/v1/images").status_code == 200
        assert product.client.delete(f"/api/v1/keys/{key['id']}").status_code == 204
        answer = client.get("/api/v1/images")
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    assert product.client.delete(f"/api/v1/keys/{key['id']}").status_code == 404
    assert key["id"] not in product.client.get("/api/v1/keys").text


def test_a_member_s_key_is_the_member_s_alone(product: Product, askers: Askers) -> None:
    member, stranger = askers.clients[Asker.OWNER], askers.clients[Asker.STRANGER]
    key = made(member, scopes=["images:read", "images:write", "keys"])
    assert key["account"] == askers.people[Asker.OWNER].public_id
    with with_key(product, key["secret"]) as client:
        inner = made(client, scopes=["images:read"])
        assert inner["account"] == key["account"]  # a key of the account makes keys of the account
        assert [item["id"] for item in client.get("/api/v1/keys").json()["items"]] == [inner["id"], key["id"]]
        assert client.post("/api/v1/keys", json={"name": "x", "scopes": ["account"]}).status_code == 403
    assert member.post("/api/v1/keys", json={"name": "x", "scopes": READ, "owner": "tenant"}).status_code == 403
    for scope in ("jobs", "tenant", "tenants", "accounts", "images:hold"):
        assert member.post("/api/v1/keys", json={"name": "x", "scopes": [scope]}).status_code == 403
    for asker in (Asker.STRANGER, Asker.MODERATOR, Asker.OTHER_KEY, Asker.OTHER_ACCOUNT):
        client = askers.clients[asker]
        assert client.get(f"/api/v1/keys/{key['id']}").status_code == 404
        assert client.delete(f"/api/v1/keys/{key['id']}").status_code == 404
        assert key["id"] not in client.get("/api/v1/keys").text
    assert stranger.get("/api/v1/keys", params={"cursor": key["id"]}).json()["items"] == []


def test_an_operator_makes_keys_of_the_tenant_and_sees_every_one(product: Product, askers: Askers) -> None:
    operator = askers.clients[Asker.OPERATOR]
    members = made(askers.clients[Asker.STRANGER])
    key = made(operator, scopes=["jobs", "images:write"], owner="tenant")
    assert key["account"] is None
    assert {key["id"], members["id"]} <= {item["id"] for item in operator.get("/api/v1/keys").json()["items"]}
    assert operator.delete(f"/api/v1/keys/{members['id']}").status_code == 204
    with with_key(product, key["secret"]) as client:
        assert client.get("/api/v1/jobs").status_code == 200


def test_no_key_gets_a_scope_that_its_maker_lacks(product: Product) -> None:
    narrow = made(product.client, scopes=["keys", "images:read"])
    with with_key(product, narrow["secret"]) as client:
        assert made(client, scopes=["images:read"])["scopes"] == ["images:read"]
        refused = client.post("/api/v1/keys", json={"name": "x", "scopes": ["images:read", "images:delete"]})
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")
        assert "images:delete" in refused.json()["detail"]


def test_no_key_outlives_the_key_that_made_it(product: Product, askers: Askers) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    maker = make_key(product, askers.tenant, scopes=["keys", "images:read"], expires_at=ends)
    with with_key(product, maker) as client:
        body = {"name": "x", "scopes": READ}
        assert client.post("/api/v1/keys", json=body).status_code == 403
        later = (ends + timedelta(minutes=1)).isoformat()
        assert client.post("/api/v1/keys", json={**body, "expires_at": later}).status_code == 403
        sooner = (ends - timedelta(minutes=1)).isoformat()
        assert client.post("/api/v1/keys", json={**body, "expires_at": sooner}).status_code == 201


def test_an_expired_key_opens_nothing(product: Product) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    body = {"name": "x", "scopes": READ, "expires_at": past}
    assert product.client.post("/api/v1/keys", json=body).status_code == 409
    key = made(product.client, name="short", expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    product.query("UPDATE api_keys SET expires_at = now() WHERE name = 'short'")
    with with_key(product, key["secret"]) as client:
        assert client.get("/api/v1/images").status_code == 401


def test_every_bad_field_of_a_key_is_named(product: Product) -> None:
    body = {"name": " ", "scopes": ["images:read", "root"], "expires_at": "tomorrow", "owner": "account"}
    answer = product.client.post("/api/v1/keys", json=body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"name", "scopes", "expires_at", "owner"}


def test_a_repeated_request_for_a_key_gets_the_same_secret_that_is_stored_nowhere(product: Product) -> None:
    headers, body = {"idempotency-key": secrets.token_hex(8)}, {"name": "once", "scopes": READ}
    first, again = (product.client.post("/api/v1/keys", json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    with with_key(product, again.json()["secret"]) as client:
        assert client.get("/api/v1/images").status_code == 200
    other = product.client.post("/api/v1/keys", json={**body, "name": "twice"}, headers=headers)
    assert other.status_code == 409
    kept = str(product.query("SELECT * FROM idempotency_keys")) + str(product.query("SELECT * FROM api_keys"))
    assert first.json()["secret"][15:] not in kept


def test_when_a_key_was_used_is_told_to_the_hour(product: Product) -> None:
    key = made(product.client)
    assert key["last_used_at"] is None
    with with_key(product, key["secret"]) as client:
        client.get("/api/v1/images")
        there = f"/api/v1/keys/{key['id']}"
        assert eventually(lambda: product.client.get(there).json()["last_used_at"] is not None)
        noted = product.client.get(there).json()["last_used_at"]
        for _ in range(8):  # by every process
            client.get("/api/v1/images")
        assert product.client.get(there).json()["last_used_at"] == noted


def test_keys_are_listed_newest_first_a_page_at_a_time(product: Product) -> None:
    names = [made(product.client, name=f"key {number}")["id"] for number in range(3)]
    page = product.client.get("/api/v1/keys", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == names[:0:-1]
    assert product.client.get("/api/v1/keys", params={"cursor": page["next"]}).json()["items"][0]["id"] == names[0]
    for cursor in ("x", "key_zzzzzzzzzzz", "img_00000000000"):
        assert product.client.get("/api/v1/keys", params={"cursor": cursor}).status_code == 400


def test_the_log_says_who_made_and_revoked_a_key(product: Product) -> None:
    key = made(product.client)
    product.client.delete(f"/api/v1/keys/{key['id']}")
    found = product.client.get("/api/v1/audit", params={"object": key["id"]}).json()["items"]
    assert [entry["action"] for entry in found] == ["key.revoked", "key.created"]
    assert key["secret"] not in str(found)


def test_the_command_line_makes_narrow_keys_that_end_and_lists_and_revokes_them(product: Product) -> None:
    data = ["--data", str(product.data)]
    made_key = tintype("key", "create", "--name", "by hand", "--scopes", "images:read", "--expires", "90d", *data)
    assert (made_key.returncode, made_key.stderr) == (0, "")
    with with_key(product, made_key.stdout.strip()) as client:
        assert client.get("/api/v1/images").status_code == 200
        assert client.get("/api/v1/jobs").status_code == 403
        (line,) = [line for line in tintype("key", "list", *data).stdout.splitlines() if "by hand" in line]
        assert f"images:read  until {(datetime.now(UTC) + timedelta(days=90)).date()}" in line
        assert tintype("key", "revoke", line.split()[0], *data).returncode == 0
        assert client.get("/api/v1/images").status_code == 401
