"""Signing in with an account elsewhere (OpenID Connect Core 1.0): what is asked, what comes back, what is believed.

What binds an answer to the browser that asked is one random secret in its cookie. The nonce, which has to come back
inside the signed ID token, and the verifier of PKCE (RFC 7636) derive from it: so nothing about a sign-in under way has
to be kept but two digests.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SECRET_BYTES: Final = 32

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

MAX_RETURN_CHARACTERS: Final = 1_000

_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A path of our own: `//host` and `/\\host` are another site's, to a browser."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What an ID token says that was checked. Nothing but issuer and subject names anybody for good (§5.7)."""

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    username: str | None = None


def nonce_of(browser_secret: bytes) -> str:
    """Return what the ID token has to repeat."""
    return _derived(browser_secret, b"nonce")


def verifier_of(browser_secret: bytes) -> str:
    """Return what the code is redeemed with: 43 characters (RFC 7636 §4.1)."""
    return _derived(browser_secret, b"pkce")


def code_challenge(verifier: str) -> str:
    """Return what the provider is shown of the verifier before (RFC 7636 §4.2, S256)."""
    return base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(value: bytes) -> str:
    """Return it unpadded (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes | None:
    """Return what the text spells, None when it is no base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def is_own_path(text: str) -> bool:
    """Return whether a browser that is sent there stays on this site."""
    return len(text) <= MAX_RETURN_CHARACTERS and _PATH.fullmatch(text) is not None


def is_confidential(url: str) -> bool:
    """Return whether nobody on the way can read or change what is asked there: https, or this very machine."""
    try:
        parts = urlsplit(url)
        secured = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        return False
    return secured and bool(parts.hostname)


def handle_from(claims: Claims) -> str:
    """Return a handle that the person may like, in lower case letters, digits and underscores; perhaps an empty one."""
    wished = claims.username or (claims.email or "").partition("@")[0] or claims.name or ""
    plain = unicodedata.normalize("NFKD", wished.partition("@")[0]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _derived(secret: bytes, purpose: bytes) -> str:
    return base64url(hmac.digest(secret, b"tintype/oidc/" + purpose, "sha256"))
