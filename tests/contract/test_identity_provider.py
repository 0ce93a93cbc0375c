"""The adapter of OpenID Connect against a provider in a process of its own, honest and not."""

import ssl
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from identity_provider import CLIENT, SECRET, Provider, running_provider
from tintype.adapters.oidc_provider import REFETCH_SECONDS, OidcProvider, ProviderConfig
from tintype.domain.errors import Code, Problem
from tintype.domain.oidc import Claims, code_challenge

pytestmark = pytest.mark.anyio

RETURN = "https://photos.example/api/v1/sessions/oidc/test/callback"
VERIFIER = "v" * 43

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is asked by TLS here, and reading every authority for each test takes longer than the test."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def client(provider: Provider) -> OidcProvider:
    provider.lie("nothing")
    provider.person()
    adapter = OidcProvider(ProviderConfig(provider.issuer, CLIENT, SECRET))
    adapter._trusted = NOBODY
    return adapter


async def code_for(client: OidcProvider, nonce: str = "n") -> str:
    """Return the code that a browser comes back with."""
    url = await client.authorization_url(
        redirect_uri=RETURN, state="s", nonce=nonce, code_challenge=code_challenge(VERIFIER)
    )
    async with httpx.AsyncClient(verify=NOBODY) as browser:
        back = urlsplit((await browser.get(url)).headers["location"])
    assert parse_qs(back.query)["state"] == ["s"]
    return parse_qs(back.query)["code"][0]


async def redeem(client: OidcProvider, code: str | None = None, *, verifier: str = VERIFIER) -> Claims:
    """Return whom the provider names."""
    code = code or await code_for(client)
    return await client.redeem(code, redirect_uri=RETURN, verifier=verifier, nonce="n")


async def refusal(client: OidcProvider, code: str | None = None, *, verifier: str = VERIFIER) -> Code:
    """Return why nobody is named."""
    with pytest.raises(Problem) as caught:
        await redeem(client, code, verifier=verifier)
    return caught.value.code


async def test_who_signed_in_is_named_by_issuer_and_subject(client: OidcProvider, provider: Provider) -> None:
    claims = await redeem(client)
    assert (claims.issuer, claims.subject) == (provider.issuer, "ada-1815")
    assert (claims.email, claims.email_verified) == ("ada@example.org", True)
    assert (claims.name, claims.username) == ("Ada Lovelace", "ada.lovelace")


@pytest.mark.parametrize(
    "lie",
    [
        *("nonce", "no nonce", "audience", "two audiences", "other party", "issuer", "expired", "no expiry"),
        *("expiry as text", "from the future", "no subject", "long subject", "subject is a number"),
        *("alg none", "hmac with the public key", "another key", "changed", "no token at all", "endless"),
    ],
)
async def test_a_token_that_lies_names_nobody(client: OidcProvider, provider: Provider, lie: str) -> None:
    code = await code_for(client)
    provider.lie(lie)
    assert await refusal(client, code) is Code.AUTH_OIDC_FAILED


async def test_a_code_is_redeemed_once_and_by_whom_it_was_asked_for(client: OidcProvider) -> None:
    assert await refusal(client, verifier="w" * 43) is Code.AUTH_OIDC_FAILED
    code = await code_for(client)
    await redeem(client, code)
    assert await refusal(client, code) is Code.AUTH_OIDC_FAILED
    assert await refusal(client, "made up") is Code.AUTH_OIDC_FAILED


@pytest.mark.parametrize("lie", ["other name", "endpoints without TLS"])
async def test_a_provider_that_is_not_the_one_of_the_settings_is_sent_nobody(provider: Provider, lie: str) -> None:
    provider.lie(lie)
    adapter = OidcProvider(ProviderConfig(provider.issuer, CLIENT, SECRET))
    with pytest.raises(Problem) as caught:
        await code_for(adapter)
    assert caught.value.code is Code.AUTH_PROVIDER_UNAVAILABLE
    assert await refusal(adapter, "made up") is Code.AUTH_OIDC_FAILED


async def test_a_provider_that_is_away_or_ill_is_said_to_be(client: OidcProvider, provider: Provider) -> None:
    code = await code_for(client)
    provider.lie("ill")
    assert await refusal(client, code) is Code.AUTH_PROVIDER_UNAVAILABLE
    away = OidcProvider(ProviderConfig("http://127.0.0.1:1", CLIENT, SECRET))
    assert await refusal(away, "x") is Code.AUTH_PROVIDER_UNAVAILABLE


async def test_metadata_and_keys_are_asked_for_once(client: OidcProvider, provider: Provider) -> None:
    before = [provider.requests(path) for path in ("/.well-known/openid-configuration", "/keys")]
    for _ in range(3):
        await redeem(client)
    after = [provider.requests(path) for path in ("/.well-known/openid-configuration", "/keys")]
    assert after == [before[0] + 1, before[1] + 1]


async def test_a_new_key_is_fetched_but_not_for_every_token_that_names_one(
    client: OidcProvider, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redeem(client)
    provider.change_keys()
    before = provider.requests("/keys")
    for _ in range(3):
        assert await refusal(client) is Code.AUTH_OIDC_FAILED
    assert provider.requests("/keys") == before, f"asked again within {REFETCH_SECONDS} s"
    monkeypatch.setattr("tintype.adapters.oidc_provider.REFETCH_SECONDS", 0.0)
    assert (await redeem(client)).subject == "ada-1815"


async def test_a_provider_that_is_away_is_not_asked_by_everybody_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def nothing(*_: object, **__: object) -> None:
        asked.append(1)
        raise Problem(Code.AUTH_PROVIDER_UNAVAILABLE, "It does not answer.")

    away = OidcProvider(ProviderConfig("https://login.example", CLIENT, SECRET))
    monkeypatch.setattr(away, "_ask", nothing)
    for _ in range(5):
        assert await refusal(away, "x") is Code.AUTH_PROVIDER_UNAVAILABLE
    assert len(asked) == 1
