"""`ports/identity_provider.py` over HTTP: discovery, tokens and keys of one OpenID Connect provider.

What the provider says of itself and its keys are kept for an hour. An ID token that names a key we do not know has the
keys fetched again, once half a minute at most: providers change keys, and anybody can make a token that names a new
one. Nothing is followed to another address than the document names, nothing is waited for beyond a few seconds, and no
answer is read beyond its bound: the provider is somebody else's server.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tintype.domain.errors import Code, Problem
from tintype.domain.oidc import Claims, is_confidential

T = TypeVar("T")

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Signatures with a public key alone: `none` is no signature, and HS… would make of a public key a secret one."""

KEPT_SECONDS: Final = 3_600.0
REFETCH_SECONDS: Final = 30.0
FAILED_SECONDS: Final = 3.0
"""How long a failure is believed: those who wait in line behind a provider that is away do not each wait for it."""

LEEWAY_SECONDS: Final = 60
"""How far the provider's clock may be off."""

ANSWER_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_TOKEN_CHARACTERS: Final = 16 * 1024
MAX_KEYS: Final = 50

_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})
_NO_TLS: Final = "the provider names an address that is not https"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """A provider as the settings have it."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...] = ("openid", "email", "profile")


class _Discovered(msgspec.Struct):
    """What we need of the provider's metadata (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])


class _TokenAnswer(msgspec.Struct):
    id_token: str


class _Keys(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Unbelievable(Exception):
    """An answer of the provider is not what it has to be; the text is for the log."""


class _Kept(Generic[T]):
    """A value that is fetched when it is first needed, and again when it is old."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched = 0.0
        self._failure: Exception | None = None
        self._failed = 0.0

    async def get(self, *, younger_than: float = KEPT_SECONDS) -> T:
        """Return the value, one that was fetched within so many seconds; raises what the fetching raises."""
        async with self._lock:  # whoever comes meanwhile waits for the same answer
            now = time.monotonic()
            if self._value is not None and now - self._fetched < younger_than:
                return self._value
            if self._failure is not None and now - self._failed < FAILED_SECONDS:
                raise self._failure
            try:
                self._value = await self._fetch()
            except Exception as error:
                self._failure, self._failed = error, time.monotonic()
                raise
            self._fetched, self._failure = time.monotonic(), None
            return self._value


class OidcProvider:
    """One provider over HTTP."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._trusted: ssl.SSLContext | None = None
        self._discovered = _Kept(self._discover)
        self._keys = _Kept(self._fetch_keys)

    async def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, code_challenge: str) -> str:
        """Return where the browser is sent to (OpenID Connect Core §3.1.2.1)."""
        try:
            endpoint = (await self._discovered.get()).authorization_endpoint
        except _Unbelievable as error:
            raise _unavailable() from error
        query = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._config.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def redeem(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Claims:
        """Return who signed in (OpenID Connect Core §3.1.3)."""
        try:
            token = await self._token(code, redirect_uri, verifier)
            return self._believed(await self._verified(token), nonce)
        except _Unbelievable as error:
            raise _failed() from error

    async def _token(self, code: str, redirect_uri: str, verifier: str) -> str:
        discovered = await self._discovered.get()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers, more = _client_authentication(self._config, discovered.token_endpoint_auth_methods_supported)
        body = urlencode({**form, **more}).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
        answer = await self._ask("POST", discovered.token_endpoint, _TokenAnswer, headers=headers, body=body)
        if len(answer.id_token) > MAX_TOKEN_CHARACTERS:
            raise _Unbelievable("the ID token is too long")
        return answer.id_token

    async def _verified(self, token: str) -> Mapping[str, Any]:
        """Return what a token says whose signature is the provider's."""
        try:
            return _decoded(token, await self._keys.get())
        except _Unbelievable:
            fresh = await self._keys.get(younger_than=REFETCH_SECONDS)  # it may be signed by a key that is new
            return _decoded(token, fresh)

    def _believed(self, claims: Mapping[str, Any], nonce: str) -> Claims:
        """Return the claims once they are for us, now, and for this sign-in (OpenID Connect Core §3.1.3.7)."""
        audience, party = claims.get("aud"), claims.get("azp")
        audiences = audience if isinstance(audience, list) else [audience]
        now = time.time()
        expected = {
            "iss": claims.get("iss") == self._config.issuer,
            "aud": self._config.client_id in audiences,
            "azp": party == self._config.client_id or (party is None and len(audiences) == 1),
            "exp": _is_time(claims.get("exp")) and claims["exp"] > now - LEEWAY_SECONDS,
            "iat": _is_time(claims.get("iat")) and claims["iat"] < now + LEEWAY_SECONDS,
            "nonce": claims.get("nonce") == nonce,
            "sub": isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255,
        }
        wrong = [name for name, holds in expected.items() if not holds]
        if wrong:
            raise _Unbelievable(f"the ID token is wrong in {', '.join(wrong)}")
        return Claims(
            issuer=self._config.issuer,
            subject=claims["sub"],
            email=_text(claims.get("email")),
            email_verified=claims.get("email_verified") is True,
            name=_text(claims.get("name")),
            username=_text(claims.get("preferred_username")),
        )

    async def _discover(self) -> _Discovered:
        url = self._config.issuer.rstrip("/") + "/.well-known/openid-configuration"
        discovered = await self._ask("GET", url, _Discovered)
        if discovered.issuer != self._config.issuer:
            raise _Unbelievable("the provider calls itself by another name than the settings do")
        if not is_confidential(discovered.authorization_endpoint):  # of the others, nothing is asked at one that is not
            raise _Unbelievable(_NO_TLS)
        return discovered

    async def _fetch_keys(self) -> KeySet:
        answer = await self._ask("GET", (await self._discovered.get()).jwks_uri, _Keys)
        signing = [key for key in answer.keys if key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"]
        try:
            return KeySet.import_key_set({"keys": signing[:MAX_KEYS]})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _Unbelievable("the provider's keys cannot be read") from error

    async def _ask(
        self, method: str, url: str, shape: type[T], *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> T:
        if not is_confidential(url):
            raise _Unbelievable(_NO_TLS)
        if self._trusted is None:  # reading the authorities takes a tenth of a second
            self._trusted = await asyncio.to_thread(ssl.create_default_context)
        asked = {"accept": "application/json", **(headers or {})}
        try:
            async with (
                asyncio.timeout(2 * ANSWER_SECONDS),
                httpx.AsyncClient(timeout=ANSWER_SECONDS, verify=self._trusted, follow_redirects=False) as client,
                client.stream(method, url, headers=asked, content=body) as answer,
            ):
                read = await _read(answer)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unavailable() from error
        if answer.status_code >= 500:
            raise _unavailable()
        if answer.status_code != httpx.codes.OK:
            raise _Unbelievable(f"the provider answers {answer.status_code}")
        try:
            return msgspec.json.decode(read, type=shape)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise _Unbelievable("the provider's answer is not what it has to be") from error


async def _read(answer: httpx.Response) -> bytes:
    read = bytearray()
    async for chunk in answer.aiter_bytes():
        read += chunk
        if len(read) > MAX_ANSWER_BYTES:
            raise _Unbelievable("the provider's answer is too long")
    return bytes(read)


def _client_authentication(config: ProviderConfig, supported: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the fields that show who we are (OpenID Connect Core §9)."""
    if config.client_secret is None:
        return {}, {"client_id": config.client_id}
    if "client_secret_basic" in supported:  # both are encoded as a form's fields first (RFC 6749 §2.3.1)
        basic = httpx.BasicAuth(quote_plus(config.client_id), quote_plus(config.client_secret))
        request = next(basic.auth_flow(httpx.Request("POST", config.issuer)))
        return {"authorization": request.headers["authorization"]}, {}
    return {}, {"client_id": config.client_id, "client_secret": config.client_secret}


def _decoded(token: str, keys: KeySet) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _Unbelievable("the ID token's signature is not the provider's") from error


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _failed() -> Problem:
    return Problem(Code.AUTH_OIDC_FAILED, "The provider's answer cannot be believed. Sign in again.")


def _unavailable() -> Problem:
    message = "The provider does not answer. Try again in a moment, or sign in another way."
    return Problem(Code.AUTH_PROVIDER_UNAVAILABLE, message, retry_after=5)
