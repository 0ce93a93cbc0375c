"""An app beside the password, a passkey instead of it, an account elsewhere: as people meet them, over HTTP."""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest

from authenticators import Device
from identity_provider import CLIENT, SECRET, Provider, running_provider
from people import API, PASSWORD, Person, signed_up
from postgres import passable_directory
from product import Product, eventually, start_product

AGAIN = {"password": PASSWORD}

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is asked by TLS here, and reading every authority for each browser takes longer than what it does."""


@dataclass
class Site:
    """A product whose people may come from a provider; `closed` is the same one, and makes nobody an account."""

    product: Product
    provider: Provider

    def sign_in(self, handle: str, **fields: str) -> httpx.Response:
        """Return the answer to a sign-in with these fields."""
        with httpx.Client(base_url=self.product.base_url, verify=NOBODY) as device:
            return device.post(f"{API}/sessions", json={"login": handle, "password": PASSWORD, **fields})

    def browser(self) -> httpx.Client:
        """Return a browser that follows nothing by itself."""
        client = httpx.Client(base_url=self.product.base_url, timeout=30, verify=NOBODY)
        self.product.kept.append(client)
        return client


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_provider() as provider, passable_directory() as directory:
        environment = {
            f"TINTYPE_OIDC__{name}__{key}": value
            for name in ("WORK", "CLOSED")
            for key, value in {"ISSUER": provider.issuer, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET}.items()
        }
        environment["TINTYPE_OIDC__CLOSED__AUTO_CREATE"] = "off"
        with start_product(directory / "data", "--api-processes", "1", environment=environment) as product:
            yield Site(product, provider)


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def with_app(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Set an authenticator app up, and return it with its recovery codes."""
    begun = person.client.post(f"{API}/account/totp", json=AGAIN)
    assert begun.status_code == 201, begun.text
    app = pyotp.parse_uri(begun.json()["uri"])
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == begun.json()["secret"]
    confirmed = person.client.post(f"{API}/account/totp/confirm", json={"code": app.at(time.time() - 30)})
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recovery_codes"]


def forget(person: Person, *names: str) -> None:
    """Have the account's session be an old one, or its password none."""
    changes = {
        "session": "UPDATE sessions SET created_at = now() - interval '1 day' WHERE id IN "
        "(SELECT s.id FROM sessions s JOIN accounts a ON a.id = s.account WHERE a.handle = %s)",
        "password": "UPDATE accounts SET password_hash = NULL WHERE handle = %s",
    }
    for name in names:
        person.product.query(changes[name], person.handle)


# An authenticator app


def test_with_an_app_a_code_is_asked_for_once_the_password_was_right(site: Site) -> None:
    ada = signed_up(site.product, "ada_app")
    app, _ = with_app(ada)
    missing = site.sign_in("ada_app")
    assert (missing.status_code, code_of(missing)) == (401, "auth.totp_required")
    assert "set-cookie" not in missing.headers
    for password in ("wrong password here", PASSWORD + "x"):
        refused = site.sign_in("ada_app", password=password, totp=app.now())
        assert (refused.status_code, code_of(refused)) == (401, "auth.failed")
        assert code_of(site.sign_in("ada_app", password=password)) == "auth.failed"
    wrong = site.sign_in("ada_app", totp="000000" if app.now() != "000000" else "000001")
    assert (wrong.status_code, code_of(wrong)) == (401, "auth.totp_invalid")
    code = app.now()
    signed_in = site.sign_in("ada_app", totp=code)
    assert signed_in.status_code == 201
    assert code_of(site.sign_in("ada_app", totp=code)) == "auth.totp_invalid"


def test_a_recovery_code_gets_in_once_and_new_ones_can_be_made(site: Site) -> None:
    ada = signed_up(site.product, "ada_codes")
    _, codes = with_app(ada)
    assert site.sign_in("ada_codes", totp=codes[0]).status_code == 201
    assert code_of(site.sign_in("ada_codes", totp=codes[0])) == "auth.totp_invalid"
    assert ada.client.get(f"{API}/account/totp").json() == {"on": True, "recovery_codes": 9}
    remade = ada.client.post(f"{API}/account/totp/recovery-codes", json=AGAIN)
    assert remade.status_code == 201
    assert remade.headers["cache-control"] == "no-store"
    assert code_of(site.sign_in("ada_codes", totp=codes[1])) == "auth.totp_invalid"
    assert site.sign_in("ada_codes", totp=remade.json()["recovery_codes"][0]).status_code == 201


def test_turning_the_app_off_needs_the_password_or_a_code(site: Site) -> None:
    ada = signed_up(site.product, "ada_off")
    _, codes = with_app(ada)
    for proof in ({}, {"password": "wrong password here"}, {"totp": "12"}):
        refused = ada.client.request("DELETE", f"{API}/account/totp", json=proof)
        assert (refused.status_code, code_of(refused)) == (403, "auth.proof_required"), proof
    assert code_of(site.sign_in("ada_off")) == "auth.totp_required"
    assert ada.client.request("DELETE", f"{API}/account/totp", json={"totp": codes[3]}).status_code == 204
    assert site.sign_in("ada_off").status_code == 201


def test_who_has_no_password_signs_in_anew_before_a_way_in_is_added(site: Site) -> None:
    ada = signed_up(site.product, "ada_fresh")
    forget(ada, "password")
    assert ada.client.post(f"{API}/account/totp").status_code == 201
    forget(ada, "session")
    refused = ada.client.post(f"{API}/account/totp")
    assert (refused.status_code, code_of(refused)) == (403, "auth.proof_required")


def test_who_has_a_password_shows_it_before_the_account_is_deleted(site: Site) -> None:
    ada = signed_up(site.product, "ada_leaves")
    for proof in ({}, {"password": "wrong password here"}):
        refused = ada.client.request("DELETE", f"{API}/account", json=proof)
        assert (refused.status_code, code_of(refused)) == (403, "auth.proof_required"), proof
    assert ada.client.request("DELETE", f"{API}/account", json=AGAIN).status_code == 202
    assert site.sign_in("ada_leaves").status_code == 401


# Passkeys


def test_a_passkey_signs_in_without_a_name_and_without_a_code(site: Site) -> None:
    ada, device = signed_up(site.product, "ada_key"), Device(site.product.base_url)
    with_app(ada)
    register(ada, device)
    with site.browser() as browser:
        answer = signed_in_by(browser, device)
        assert answer.status_code == 201, answer.text
        assert answer.json()["account"]["handle"] == "ada_key"
        assert browser.get(f"{API}/session").json()["account"]["handle"] == "ada_key"
        assert browser.delete(f"{API}/session").status_code == 403, "the cookie alone proves nothing"
    (passkey,) = ada.client.get(f"{API}/account/passkeys").json()["items"]
    assert passkey["used_at"] is not None
    named = ada.client.patch(f"{API}/account/passkeys/{passkey['id']}", json={"name": "key ring"})
    assert named.json()["name"] == "key ring"
    assert ada.client.request("DELETE", f"{API}/account/passkeys/{passkey['id']}", json=AGAIN).status_code == 204
    with site.browser() as browser:
        gone = signed_in_by(browser, device)
    assert (gone.status_code, code_of(gone)) == (401, "auth.passkey_invalid")


def test_a_passkey_of_a_suspended_account_signs_nobody_in(site: Site) -> None:
    ada, device = signed_up(site.product, "ada_bad"), Device(site.product.base_url)
    register(ada, device)
    site.product.query("UPDATE accounts SET state = 'suspended' WHERE handle = 'ada_bad'")
    with site.browser() as browser:
        refused = signed_in_by(browser, device)
    assert (refused.status_code, code_of(refused)) == (403, "account.suspended")


def test_the_last_way_in_is_not_taken_away(site: Site) -> None:
    ada, device = signed_up(site.product, "ada_last"), Device(site.product.base_url)
    passkey = register(ada, device)
    forget(ada, "password")
    refused = ada.client.delete(f"{API}/account/passkeys/{passkey['id']}")
    assert (refused.status_code, code_of(refused)) == (409, "conflict")


def register(person: Person, device: Device) -> dict[str, Any]:
    options = person.client.post(f"{API}/account/passkeys/options", json=AGAIN)
    assert options.status_code == 200, options.text
    credential = device.create(options.json()["publicKey"])
    answer = person.client.post(f"{API}/account/passkeys", json={"credential": credential, "name": "telephone"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def signed_in_by(browser: httpx.Client, device: Device) -> httpx.Response:
    options = browser.post(f"{API}/sessions/passkey/options").json()["publicKey"]
    return browser.post(f"{API}/sessions/passkey", json={"credential": device.get(options)})


def test_the_owner_is_written_to_when_a_way_in_changes_at_an_address_that_is_theirs_for_sure(site: Site) -> None:
    ada, bob = signed_up(site.product, "ada_told"), signed_up(site.product, "bob_untold")
    site.product.query("UPDATE accounts SET email_verified_at = now() WHERE handle = 'ada_told'")
    for person in (bob, ada):
        register(person, Device(site.product.base_url))

    def told() -> list[str]:
        return [file.read_text() for file in (site.product.data / "mail").glob("ways_changed-*.eml")]

    assert eventually(lambda: any("ada_told" in mail for mail in told()), within=20)
    assert not any("bob_untold" in mail for mail in told())


# Accounts elsewhere


def came_back(site: Site, browser: httpx.Client, answer: httpx.Response) -> str:
    """Return the address that the provider sends the browser back to."""
    assert answer.status_code in {200, 302}, answer.text
    url = answer.headers.get("location") or answer.json()["url"]
    back = site.provider.browser.get(url).headers["location"]
    assert back.startswith(str(browser.base_url))
    return str(back)


def sign_in_elsewhere(site: Site, browser: httpx.Client, name: str = "work", **query: str) -> httpx.Response:
    return browser.get(came_back(site, browser, browser.get(f"{API}/sessions/oidc/{name}", params=query)))


def handle_of(browser: httpx.Client) -> str:
    return str(browser.get(f"{API}/session").json()["account"]["handle"])


def test_who_comes_from_a_provider_for_the_first_time_is_given_an_account_and_known_afterwards(site: Site) -> None:
    site.provider.person(sub="grace", email="grace@example.org", preferred_username="Grace.Hopper")
    names = [provider["name"] for provider in site.browser().get(f"{API}/sessions/oidc").json()["items"]]
    assert names == ["closed", "work"]
    with site.browser() as browser:
        answer = sign_in_elsewhere(site, browser, return_to="/p/img_1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/p/img_1")
        assert handle_of(browser) == "grace_hopper"
        account = browser.get(f"{API}/account").json()
        assert account["email"] == "grace@example.org"
    site.provider.person(sub="grace", email="other@example.org", preferred_username="somebody")
    with site.browser() as browser:
        sign_in_elsewhere(site, browser)
        assert handle_of(browser) == "grace_hopper"
    site.provider.person(sub="grace 2", email="grace2@example.org", preferred_username="Grace.Hopper")
    with site.browser() as browser:
        sign_in_elsewhere(site, browser)
        assert handle_of(browser).startswith("grace_hopper_")


def test_an_answer_of_the_provider_counts_once_and_in_the_browser_that_asked(site: Site) -> None:
    site.provider.person(sub="once", email="once@example.org", preferred_username="once")
    with site.browser() as browser, site.browser() as thief:
        back = came_back(site, browser, browser.get(f"{API}/sessions/oidc/work"))
        stolen = thief.get(back)
        assert (stolen.status_code, code_of(stolen)) == (401, "auth.oidc_failed")
        spoilt = browser.get(back)
        assert (spoilt.status_code, code_of(spoilt)) == (401, "auth.oidc_failed"), "it was shown to somebody"
        back = came_back(site, browser, browser.get(f"{API}/sessions/oidc/work"))
        kept = dict(browser.cookies)
        assert browser.get(back).status_code == 303
        replayed = httpx.get(back, cookies=kept)
        assert (replayed.status_code, code_of(replayed)) == (401, "auth.oidc_failed")


def test_an_answer_for_one_provider_is_none_for_another(site: Site) -> None:
    with site.browser() as browser:
        back = came_back(site, browser, browser.get(f"{API}/sessions/oidc/work"))
        mixed = browser.get(back.replace("/oidc/work/", "/oidc/closed/"))
        assert (mixed.status_code, code_of(mixed)) == (401, "auth.oidc_failed")


@pytest.mark.parametrize("lie", ["nonce", "audience", "alg none", "expired", "refused"])
def test_a_provider_that_lies_or_refuses_signs_nobody_in(site: Site, lie: str) -> None:
    site.provider.lie(lie)
    with site.browser() as browser:
        refused = sign_in_elsewhere(site, browser)
        assert (refused.status_code, code_of(refused)) == (401, "auth.oidc_failed")
        assert browser.get(f"{API}/session").status_code == 401
    site.provider.lie("nothing")


def test_an_address_that_is_somebody_s_is_never_taken_over_and_its_owner_links_instead(site: Site) -> None:
    ada = signed_up(site.product, "ada_link", email="link@example.org")
    site.product.query("UPDATE emails SET verified_at = now() WHERE email = 'link@example.org'")
    site.provider.person(sub="linked", email="Link@example.org")
    with site.browser() as browser:
        refused = sign_in_elsewhere(site, browser)
        assert (refused.status_code, code_of(refused)) == (409, "auth.link_required")
        assert browser.get(f"{API}/session").status_code == 401
    assert ada.client.post(f"{API}/account/identities/work", json={}).status_code == 403
    begun = ada.client.post(f"{API}/account/identities/work", json={**AGAIN, "return_to": "/account"})
    linked = ada.client.get(came_back(site, ada.client, begun))
    assert (linked.status_code, linked.headers["location"]) == (303, "/account")
    assert [item["provider"] for item in ada.client.get(f"{API}/account/identities").json()["items"]] == ["work"]
    with site.browser() as browser:
        sign_in_elsewhere(site, browser)
        assert handle_of(browser) == "ada_link"
    bob = signed_up(site.product, "bob_link")
    taken = bob.client.get(came_back(site, bob.client, bob.client.post(f"{API}/account/identities/work", json=AGAIN)))
    assert (taken.status_code, code_of(taken)) == (409, "conflict")
    assert ada.client.request("DELETE", f"{API}/account/identities/work", json=AGAIN).status_code == 204
    assert ada.client.get(f"{API}/account/identities").json()["items"] == []


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("work", {"email_verified": False}),
        ("work", {"email_verified": "true"}),
        ("work", {"email": None}),
        ("work", {"email": "nobody"}),
        ("closed", {}),
    ],
)
def test_nobody_is_given_an_account_without_an_address_that_is_vouched_for_or_where_none_are_made(
    site: Site, name: str, claims: dict[str, object]
) -> None:
    site.provider.person(**{"sub": "stranger", "email": "stranger@example.org", **claims})
    with site.browser() as browser:
        refused = sign_in_elsewhere(site, browser, name)
    assert (refused.status_code, code_of(refused)) == (409, "auth.link_required")
    assert site.product.query("SELECT 1 FROM emails WHERE email = 'stranger@example.org'") == []


@pytest.mark.parametrize("where", ["https://evil.example", "//evil.example", "/\\evil.example", "x"])
def test_nobody_is_sent_to_another_site_afterwards(site: Site, where: str) -> None:
    answer = site.browser().get(f"{API}/sessions/oidc/work", params={"return_to": where})
    assert answer.status_code == 400


def test_the_cookie_of_a_sign_in_under_way_is_the_browser_s_alone_and_pkce_and_nonce_are_sent(site: Site) -> None:
    answer = site.browser().get(f"{API}/sessions/oidc/work")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "max-age=600", f"path={API}/sessions/oidc"))
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"nonce", "state", "code_challenge"} <= asked.keys()


def test_the_audit_log_tells_from_where_somebody_signed_in_whichever_way(site: Site) -> None:
    site.provider.person(sub="logged", email="logged@example.org")
    device = Device(site.product.base_url)
    register(signed_up(site.product, "ada_logged"), device)
    with site.browser() as browser:
        assert signed_in_by(browser, device).status_code == 201
        assert sign_in_elsewhere(site, browser).status_code == 303
    rows = site.product.query(
        "SELECT DISTINCT detail ->> 'way', address::text FROM audit_log WHERE action = 'session.created'"
    )
    assert {way for way, _ in rows} >= {"passkey", "work"}
    assert {address.partition("/")[0] for _, address in rows} == {"127.0.0.1"}


def test_nothing_of_this_is_in_the_log(site: Site) -> None:
    log = site.product.log.read_text()
    assert "callback" in log
    for word in ("code=", "state=", SECRET, PASSWORD, "otpauth"):
        assert word not in log
