"""Whatever a POST makes can be asked for again with the same Idempotency-Key: it is made once, and answered alike."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pyotp
import pytest

import samples
from authenticators import Device
from people import API, PASSWORD, Person, signed_up
from product import Product, eventually
from refusals import assert_problem
from tintype.domain.ids import ACCOUNT_PREFIX, ImageRef, bucket_of, parse_public_id

AGAIN: Final = {"password": PASSWORD}
PARALLEL: Final = 8

NOT_REPEATED: Final = {
    "signIn": "a code counts once, and begins no second session",
    "signInWithPasskey": "so does the answer to a challenge",
    "setUp": "a link works once",
    "verifyEmail": "it sends a mail, at most one in a while",
    "resetPassword": "likewise",
    "reprocessImage": "it makes nothing: the image is in work, or it is not",
}

Post = Callable[[str], httpx.Response]


@pytest.fixture(scope="module")
def ada(product: Product) -> Person:
    return signed_up(product, "ada_again")


def new_key() -> str:
    return str(uuid.uuid4())


def posting(client: httpx.Client, path: str, json: Any = None) -> Post:  # noqa: ANN401 -- any JSON
    """Return what sends this with a key."""
    return lambda key: client.post(f"{API}{path}", json=json, headers={"idempotency-key": key})


def repeated(post: Post, key: str, *, status: int = 201) -> dict[str, Any]:
    """Send it twice, and return what both answers say."""
    first, again = post(key), post(key)
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (status, None), first.text
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (status, "true"), again.text
    assert again.json() == first.json()
    return dict(first.json())


def rows(product: Product, table: str, account: str) -> int:
    counted: dict[str, str] = {
        "signing_keys": "SELECT count(*) FROM signing_keys",
        "handles": "SELECT count(*) FROM handles WHERE handle = %s",
        "url_signed": "SELECT count(*) FROM audit_log WHERE action = 'image.url_signed'",
    }
    return int(product.query(counted[table], *([account] if "%s" in counted[table] else []))[0][0])


def test_every_post_that_makes_something_takes_a_key(product: Product) -> None:
    paths = product.stranger.get("/openapi.json").json()["paths"]
    posts = [path["post"] for path in paths.values() if "post" in path]
    making = {post["operationId"]: post for post in posts if {"201", "202"} & post["responses"].keys()}
    taking = {
        name
        for name, post in making.items()
        if "Idempotency-Key" in [parameter["name"] for parameter in post.get("parameters", [])]
    }
    assert set(NOT_REPEATED) <= set(making)
    assert set(making) - taking == set(NOT_REPEATED)


def test_a_repeated_sign_up_makes_one_account_for_whoever_knows_its_password(product: Product) -> None:
    wanted = {"handle": "twice", "email": "twice@people.example", "password": PASSWORD}
    key, post = new_key(), posting(product.stranger, "/accounts", wanted)
    made = repeated(post, key)
    assert rows(product, "handles", "twice") == 1
    for other in ({"password": "another teapot in the fog"}, {"handle": "thrice"}, {"email": "t@people.example"}):
        refused = posting(product.stranger, "/accounts", {**wanted, **other})(key)
        assert_problem(refused, 409, "idempotency.mismatch")
    assert_problem(post(new_key()), 409, "account.handle_taken")
    kept = str(product.query("SELECT answer FROM idempotency_keys"))
    assert "people.example" not in kept
    assert signed_up(product, "twice_not").handle == "twice_not"
    assert made["handle"] == "twice"


def test_sign_ups_side_by_side_with_one_key_make_one_account_and_are_all_told_of_it(product: Product) -> None:
    wanted = {"handle": "side", "email": "side@people.example", "password": PASSWORD}
    key, post = new_key(), posting(product.stranger, "/accounts", wanted)
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(post, [key] * PARALLEL))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1


def test_what_an_app_is_set_up_with_is_told_again_while_it_counts(product: Product) -> None:
    person = signed_up(product, "apps_again")
    key, begin = new_key(), posting(person.client, "/account/totp", AGAIN)
    begun = repeated(begin, key)
    other = begin(new_key()).json()
    assert other["secret"] != begun["secret"]
    assert_problem(begin(key), 409, "conflict")
    app = pyotp.TOTP(other["secret"])
    code = app.at(time.time() - 30)
    confirmed = repeated(posting(person.client, "/account/totp/confirm", {"code": code}), new_key(), status=200)
    assert len(confirmed["recovery_codes"]) == 10
    remake = posting(person.client, "/account/totp/recovery-codes", AGAIN)
    codes_key = new_key()
    remade = repeated(remake, codes_key)
    assert not set(remade["recovery_codes"]) & set(confirmed["recovery_codes"])
    assert (
        product.stranger.post(
            f"{API}/sessions", json={"login": person.handle, "password": PASSWORD, "totp": remade["recovery_codes"][0]}
        ).status_code
        == 201
    )
    product.stranger.cookies.clear()
    assert remake(codes_key).json() == remade  # also those that are used
    assert remake(new_key()).status_code == 201
    assert_problem(remake(codes_key), 409, "conflict")
    assert_problem(begin(codes_key), 409, "idempotency.mismatch")
    stored = str(product.query("SELECT * FROM idempotency_keys"))
    for secret in (begun["secret"], other["secret"], *remade["recovery_codes"]):
        assert secret not in stored


def test_a_repeated_registration_of_a_passkey_has_the_passkey_again(product: Product) -> None:
    person, device = signed_up(product, "keys_again"), Device(product.base_url)
    options = person.client.post(f"{API}/account/passkeys/options", json=AGAIN).json()["publicKey"]
    wanted = {"credential": device.create(options), "name": "Phone"}
    key, post = new_key(), posting(person.client, "/account/passkeys", wanted)
    passkey = repeated(post, key)
    assert len(person.client.get(f"{API}/account/passkeys").json()["items"]) == 1
    assert_problem(
        posting(person.client, "/account/passkeys", {**wanted, "name": "Pad"})(key), 409, "idempotency.mismatch"
    )
    assert_problem(post(new_key()), 422, "factor.invalid")
    assert person.client.request("DELETE", f"{API}/account/passkeys/{passkey['id']}", json=AGAIN).status_code == 204
    assert_problem(post(key), 409, "conflict")


def test_a_repeated_export_is_the_one_that_was_asked_for_and_not_another(ada: Person) -> None:
    key, post = new_key(), posting(ada.client, "/account/export")
    first = post(key)
    assert first.status_code == 202, first.text
    shown = f"{API}/account/export"
    assert eventually(lambda: ada.client.get(shown).json()["state"] == "ready", within=40)
    again = post(key)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (202, "true")
    assert (again.json()["id"], again.json()["state"]) == (first.json()["id"], "ready")
    assert post(new_key()).json()["id"] != first.json()["id"]
    assert_problem(post(key), 409, "conflict")


def test_a_signing_key_is_made_once_and_its_request_is_no_other(product: Product) -> None:
    key, before = new_key(), rows(product, "signing_keys", "")
    made = repeated(posting(product.client, "/signing-keys"), key)
    assert rows(product, "signing_keys", "") == before + 1
    assert made["secret"]
    api_key = {"name": "a program", "scopes": ["images:read"]}
    assert_problem(posting(product.client, "/keys", api_key)(key), 409, "idempotency.mismatch")
    taken = new_key()
    repeated(posting(product.client, "/keys", api_key), taken)
    assert_problem(posting(product.client, "/signing-keys")(taken), 409, "idempotency.mismatch")


def test_a_repeated_signed_address_ends_when_the_first_one_does(product: Product) -> None:
    image = product.upload(samples.jpeg(40, 30, seed=801))
    path, key = f"/images/{image['id']}/signed-url", new_key()
    before = rows(product, "url_signed", "")
    repeated(posting(product.client, path, {"preset": "original"}), key)
    longer = posting(product.client, path, {"preset": "original", "expires_in": 7200})
    assert_problem(longer(key), 409, "idempotency.mismatch")
    assert rows(product, "url_signed", "") == before + 2  # whoever asked is written down each time


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "one"}], ids=["without a key", "with a key"])
def test_what_an_account_uploads_lies_in_its_bucket(ada: Person, headers: dict[str, str]) -> None:
    data = samples.jpeg(40, 30, seed=802)
    answers = [ada.client.post(f"{API}/images", content=data, headers=headers) for _ in range(2)]
    account = parse_public_id(ACCOUNT_PREFIX, ada.client.get(f"{API}/account").json()["id"])
    images = {ImageRef.parse(answer.json()["id"]) for answer in answers}
    assert {image.bucket for image in images} == {bucket_of(account)}
    assert len(images) == (1 if headers else 2)


def test_what_somebody_was_answered_goes_with_their_account(product: Product) -> None:
    person = signed_up(product, "leaves_nothing")
    data = samples.jpeg(40, 30, seed=803)
    image = person.client.post(f"{API}/images", content=data, headers={"idempotency-key": new_key()}).json()
    kept = "SELECT count(*) FROM idempotency_keys WHERE answer LIKE %s"
    assert product.query(kept, f"%{image['id']}%") == [(1,)]
    follower = parse_public_id(
        ACCOUNT_PREFIX, signed_up(product, "still_here").client.get(f"{API}/account").json()["id"]
    )
    account = parse_public_id(ACCOUNT_PREFIX, person.client.get(f"{API}/account").json()["id"])
    product.query(
        """INSERT INTO follows_out (bucket, follower, followee, tenant)
           SELECT %s, %s, id, tenant FROM accounts WHERE id = %s""",
        *(bucket_of(follower), follower, account),
    )
    assert person.client.request("DELETE", f"{API}/account", json=AGAIN).status_code == 202
    assert product.query("SELECT 1 FROM follows_out WHERE followee = %s", account) == []
    assert product.query(kept, f"%{image['id']}%") == [(0,)]
