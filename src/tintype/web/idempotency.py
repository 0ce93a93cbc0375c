"""`Idempotency-Key`: which attempt a request is, for every POST that makes something, and how a repetition says so.

What a sign-in gives is not repeated: a code, a challenge and a one-time link count once, and whoever shows one again
gets no session for it. Its lost answer costs nothing but another sign-in.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from litestar.datastructures import Headers

from tintype.domain.idempotency import Attempt, IdempotencyKey, SecretAttempt, fingerprint, read_key

REPLAYED: Final = {"idempotent-replayed": "true"}
"""Of an answer that was given before."""


class Named(Protocol):
    """Who asks: a caller, or the actor that they are."""

    @property
    def name(self) -> str:
        """Who this is among the tenant's callers."""
        ...

    @property
    def account(self) -> int | None:
        """Whose they are; None for a tenant's own key and for nobody."""
        ...


def key_of(headers: Headers, who: Named) -> IdempotencyKey | None:
    """Return the key that the request came with, None without one; `Problem` for a bad one."""
    return read_key(headers.getall("idempotency-key", []), who.name, who.account)


def attempt_of(headers: Headers, who: Named, operation: str, said: Mapping[str, object]) -> Attempt | None:
    """Return the attempt at `operation` (such as `POST /keys`) that this request is, None without a key.

    Nothing that is `said` may be a password: its digest is kept for a day.
    """
    key = key_of(headers, who)
    return Attempt(key, fingerprint(operation, said)) if key is not None else None


def secret_attempt_of(
    headers: Headers, who: Named, operation: str, said: Mapping[str, object] | None = None
) -> SecretAttempt | None:
    """Return the attempt at what is answered with a secret, None without a key."""
    attempt = attempt_of(headers, who, operation, said or {})
    return SecretAttempt(attempt, text_of(headers)) if attempt is not None else None


def replayed(*, again: bool) -> dict[str, str]:
    """Return what an answer says of whether it was given before."""
    return REPLAYED if again else {}


def text_of(headers: Headers) -> str:
    """Return the key as its sender wrote it, which secrets derive from and nobody keeps."""
    return headers.getall("idempotency-key", [""])[0].strip()
