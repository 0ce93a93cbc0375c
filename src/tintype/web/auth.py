"""Who asks: an API key by bearer, or nobody. The tenant follows from the key, else from the host name."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tintype.db.pool import Database
from tintype.db.tenants import find_api_key, tenant_of_host
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.visibility import Viewer

HOST_SECONDS: Final = 5.0
"""How long a host's tenant is remembered: every anonymous request would ask again."""

REMEMBERED_HOSTS: Final = 1_000
"""A Host header is anybody's to write; past so many the memory begins anew."""

MAX_HOST_CHARACTERS: Final = 255
"""No name is longer (RFC 1035 §2.3.4). What is, is nobody's, and not worth remembering: a header may have kilobytes."""


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


class Authenticator:
    """Tells callers from their headers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hosts: dict[str, tuple[int, float]] = {}

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
            async with self._database.lookup() as connection:
                found = await find_api_key(connection, token.id)
            if found is not None and token.matches(found.secret_hash):
                return Caller(found.tenant, token.id, address)
        raise Problem(Code.AUTH_REQUIRED, "This API key is not valid. Check it, or send none to go on anonymously.")

    async def _tenant_of(self, host: str) -> int:
        name, now = _name_of(host), time.monotonic()
        remembered = self._hosts.get(name)
        if remembered is not None and now - remembered[1] < HOST_SECONDS:
            return remembered[0]
        async with self._database.lookup() as connection:
            tenant = await tenant_of_host(connection, name)
        if tenant is None:
            raise Problem(Code.UNAVAILABLE, "This server is still being set up. Try again in a moment.", retry_after=1)
        if len(self._hosts) >= REMEMBERED_HOSTS:
            self._hosts.clear()
        self._hosts[name] = (tenant, now)
        return tenant


def _name_of(host: str) -> str:
    name = host.rsplit(":", 1)[0].lower()
    return name if len(name) <= MAX_HOST_CHARACTERS else ""
