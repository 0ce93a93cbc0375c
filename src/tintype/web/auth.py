"""Who asks: an API key by bearer, or nobody. The tenant follows from the key, else from the host name."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tintype.db.pool import Database
from tintype.db.tenants import FoundKey, find_api_key, tenant_of_host
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.visibility import Viewer

HOST_SECONDS: Final = 5.0
"""How long a host's tenant is remembered: every anonymous request would ask again."""

REMEMBERED_HOSTS: Final = 1_000
"""A Host header is anybody's to write; past so many the memory begins anew."""

KEY_SECONDS: Final = 2.0
"""How long a key that was found is believed in: one that is revoked is refused everywhere within 5 s (design §8), and
each request of a busy client would ask again."""

REMEMBERED_KEYS: Final = 10_000
"""About 300 bytes each."""

MAX_HOST_CHARACTERS: Final = 255
"""No name is longer (RFC 1035 §2.3.4). What is, is nobody's, and not worth remembering: a header may have kilobytes."""

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `key` is the id of the API key, None for an anonymous caller; `address` is the peer's."""

    tenant: int
    key: int | None
    address: str

    @property
    def name(self) -> str:
        """Who this is among the tenant's callers, such as `key 42` or `address 192.0.2.1`."""
        return f"address {self.address}" if self.key is None else f"key {self.key}"


class _Memory(Generic[_K, _V]):
    """What was found out a moment ago; past so many it begins anew."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._found: dict[_K, tuple[_V, float]] = {}

    def get(self, key: _K) -> _V | None:
        """Return what was found, unless that is too long ago."""
        found = self._found.get(key)
        return found[0] if found is not None and time.monotonic() - found[1] < self._seconds else None

    def put(self, key: _K, value: _V) -> None:
        """Remember it from now on."""
        if len(self._found) >= self._most:
            self._found.clear()
        self._found[key] = (value, time.monotonic())


class Authenticator:
    """Tells callers from their headers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hosts = _Memory[str, int](seconds=HOST_SECONDS, most=REMEMBERED_HOSTS)
        self._keys = _Memory[int, FoundKey](seconds=KEY_SECONDS, most=REMEMBERED_KEYS)

    async def caller(self, headers: Mapping[str, str], address: str) -> Caller:
        """Return the caller; `Problem` auth.required for a credential that is none."""
        authorization = headers.get("authorization")
        if authorization is None:
            return Caller(await self._tenant_of(headers.get("host", "")), None, address)
        return await self._bearer(authorization, address)

    async def viewer(self, image: Image, authorization: str | None, read_token: str | None) -> Viewer:
        """Return what somebody with these credentials is to the image. Without an API key no database is asked."""
        token = parse_token(Purpose.READ, read_token or "")
        shown = token is not None and token.id == image.id and token.matches(image.read_token_hash)
        manages = (await self._bearer(authorization, "")).tenant if authorization is not None else None
        return Viewer(manages=manages, shown_token=shown)

    async def _bearer(self, authorization: str, address: str) -> Caller:
        scheme, _, text = authorization.partition(" ")
        token = parse_token(Purpose.API_KEY, text.strip()) if scheme.lower() == "bearer" else None
        if token is not None:
            found = self._keys.get(token.id) or await self._find_key(token.id)
            if found is not None and token.matches(found.secret_hash):
                return Caller(found.tenant, token.id, address)
        raise Problem(Code.AUTH_REQUIRED, "This API key is not valid. Check it, or send none to go on anonymously.")

    async def _find_key(self, key_id: int) -> FoundKey | None:
        async with self._database.lookup() as connection:
            found = await find_api_key(connection, key_id)
        if found is not None:
            self._keys.put(key_id, found)
        return found

    async def _tenant_of(self, host: str) -> int:
        name = _name_of(host)
        remembered = self._hosts.get(name)
        if remembered is not None:
            return remembered
        async with self._database.lookup() as connection:
            tenant = await tenant_of_host(connection, name)
        if tenant is None:
            raise Problem(Code.UNAVAILABLE, "This server is still being set up. Try again in a moment.", retry_after=1)
        self._hosts.put(name, tenant)
        return tenant


def _name_of(host: str) -> str:
    name = host.rsplit(":", 1)[0].lower()
    return name if len(name) <= MAX_HOST_CHARACTERS else ""
