"""Signed URLs: one address of a private image, open to whoever has it, until it ends.

    {path}?v={version}&exp={unix seconds}&sig={kid}-{mac}

`mac` is the beginning of HMAC-SHA-256 over everything before `&sig=`, under the key `kid` of the image's tenant. So a
signature is for one size, one format and one version of one image, until one moment: that of a thumbnail does not open
the original. `docs/signing.md` says it for those who sign for themselves, with vectors that a test holds against this.

The end is rounded up to a window. Everybody who asks within a window gets the same URL, so that a cache that many share
has one copy of it and not one for each of them.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SECRET_BYTES: Final = 32
"""Of a key; as many as the hash has, more add nothing (RFC 2104 §3)."""

KID_CHARACTERS: Final = 8
"""Base62. A key's name is no secret; it is only never another one's of the same tenant."""

MAC_BYTES: Final = 16
"""128 of the 256 bits: nobody guesses them, and half of a MAC may be left out (RFC 2104 §5)."""

WINDOWS: Final = ((1_800, 60), (21_600, 600), (604_800, 3_600))
"""Lifetime up to, window; in seconds. A URL outlives what was asked for by less than a window: by a minute, or by a
third of its time at most."""

SHORTEST_SECONDS: Final = 1
LONGEST_SECONDS: Final = WINDOWS[-1][0]
"""A week. A key that was rotated out has to stay valid for as long as anything that it signed."""

USUAL_SECONDS: Final = 3_600
"""When nobody says how long: a page that is open for an hour still shows its pictures."""

_SIGNATURE: Final = re.compile(r"([0-9A-Za-z]{8})-([0-9A-Za-z_-]{22})")
_EXPIRES: Final = re.compile(r"[1-9][0-9]{0,11}")


class KeyState(StrEnum):
    """Where a key is in its life: it signs, then it verifies what it signed, then it is worth nothing."""

    SIGNING = "signing"
    VERIFYING = "verifying"
    RETIRED = "retired"


_MOVES: Final[Mapping[KeyState, frozenset[KeyState]]] = {
    KeyState.SIGNING: frozenset({KeyState.VERIFYING}),
    KeyState.VERIFYING: frozenset({KeyState.RETIRED}),
    KeyState.RETIRED: frozenset(),
}


def sources_of(to: KeyState) -> tuple[KeyState, ...]:
    """Return every state from which `to` may be reached: the WHERE clause of a compare-and-set."""
    return tuple(state for state in KeyState if to in _MOVES[state])


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that is valid: its name, which URLs carry, and 32 secret bytes."""

    kid: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a URL shows: the key, the MAC as it was sent, and when it ends, in seconds since 1970."""

    kid: str
    mac: str = field(repr=False)
    expires: int

    @classmethod
    def parse(cls, exp: str | None, sig: str | None) -> "Signature | None":
        """Return what the two parameters of a query say, None when they are no signature of ours."""
        shown = _SIGNATURE.fullmatch(sig or "")
        if shown is None or exp is None or not _EXPIRES.fullmatch(exp):
            return None
        return cls(shown[1], shown[2], int(exp))

    def opens(self, key: SigningKey, path: str, version: int) -> bool:
        """Return whether the key signed this path and version until then; whether that is over is the caller's to ask.

        The texts are compared, not the bytes that they spell: of several spellings one is right.
        """
        expected = _mac(key, _signed_text(path, version, self.expires))
        return self.kid == key.kid and hmac.compare_digest(expected, self.mac)


def signed_url(key: SigningKey, path: str, version: int, expires: int) -> str:
    """Return the path with the query that opens it until `expires`, in seconds since 1970."""
    text = _signed_text(path, version, expires)
    return f"{text}&sig={key.kid}-{_mac(key, text)}"


def window_of(lifetime: int) -> int:
    """Return to how many seconds the end of a URL is rounded up that is to live for so many."""
    return next(window for longest, window in WINDOWS if lifetime <= longest)


def expiry(now: float, lifetime: int) -> int:
    """Return when a URL ends that is to live for so many seconds from `now`: never sooner, a window later at most."""
    window = window_of(lifetime)
    return -int(-(now + lifetime) // window) * window


def _signed_text(path: str, version: int, expires: int) -> str:
    return f"{path}?v={version}&exp={expires}"


def _mac(key: SigningKey, text: str) -> str:
    mac = hmac.digest(key.secret, text.encode(), "sha256")[:MAC_BYTES]
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
