"""Passkeys in a real Chromium, by an authenticator that it simulates: what a page does is what users will do."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from people import PASSWORD, signed_up
from product import Product

pytestmark = pytest.mark.chromium

REGISTER = """async ({ token, password }) => {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const send = async (path, body) =>
    (await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const { publicKey } = await send("/account/passkeys/options", { password });
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey);
  const made = await navigator.credentials.create({ publicKey: options });
  return send("/account/passkeys", { credential: made.toJSON(), name: "this laptop" });
}"""

SIGN_IN = """async () => {
  const headers = { "content-type": "application/json" };
  const send = async (path, body) =>
    (await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const { publicKey } = await send("/sessions/passkey/options", {});
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
  const shown = await navigator.credentials.get({ publicKey: options });
  await send("/sessions/passkey", { credential: shown.toJSON() });
  return (await fetch("/api/v1/session")).json();  // by the cookie alone
}"""


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """Give a page of the product in a browser that has a platform authenticator, unlocked."""
    context = browser.new_context(base_url=product.base_url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto("/")
    yield page
    context.close()


def test_a_passkey_that_chromium_made_signs_its_owner_in_without_a_name(product: Product, page: Page) -> None:
    ada = signed_up(product, "ada_chromium")
    made = page.evaluate(REGISTER, {"token": ada.token, "password": PASSWORD})
    assert made["name"] == "this laptop"
    assert made["transports"] == ["internal"]
    assert page.evaluate(SIGN_IN)["account"]["handle"] == "ada_chromium"
    (shown,) = ada.client.get("/api/v1/account/passkeys").json()["items"]
    assert shown["used_at"] is not None
