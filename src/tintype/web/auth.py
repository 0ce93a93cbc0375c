"""Who asks: an API key or a session by bearer, a session by cookie, or nobody.

The tenant follows from the key or session, else from the host name. What a browser sends by itself proves nothing about
who wrote the request: with the cookie, whatever changes something needs the session's CSRF token as well.
"""

import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from tintype.db.follows import is_following
from tintype.db.pool import Database
from tintype.db.sessions import find_session, touch_session
from tintype.db.tenants import find_key
from tintype.db.tenants import tenant_of_host as find_tenant_of_host
from tintype.domain.actor import Actor
from tintype.domain.audit import Noted, Requester, noted_address
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image
from tintype.domain.tokens import Purpose, Token, derive_token, parse_token
from tintype.domain.visibility import Viewer, Visibility
from tintype.reads.tenants import Tenants

SESSION_COOKIE: Final = "tintype_session"
CSRF_HEADER: Final = "x-csrf-token"

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110 §9.2.1)."""

HOST_SECONDS: Final = 5.0
"""How long a host's tenant is remembered: every anonymous request would ask again."""

REMEMBERED_HOSTS: Final = 1_000
"""A Host header is anybody's to write; past so many the memory begins anew."""

MAX_HOST_CHARACTERS: Final = 255
"""No name is longer (RFC 1035 §2.3.4). What is, is nobody's, and not worth remembering: a header may have kilobytes."""

MAX_COOKIE_CHARACTERS: Final = 8_192
"""A browser sends no more for one host; what is longer is not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request shows of who asks: a bearer, or else the session's cookie and what proves that a page sent it."""

    authorization: str | None = None
    cookie: str | None = None
    csrf: str | None = None
    changes: bool = False
    """Whether the request may change something."""

    @classmethod
    def of(cls, headers: Mapping[str, str], method: str) -> "Credentials":
        """Return what these headers show."""
        return cls(
            authorization=headers.get("authorization"),
            cookie=cookie_in(headers.get("cookie"), SESSION_COOKIE),
            csrf=headers.get(CSRF_HEADER),
            changes=method not in SAFE_METHODS,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `actor` is None for an anonymous caller; `session` the id of theirs; `address` is the peer's."""

    tenant: int
    actor: Actor | None
    address: str
    session: int | None = None
    noted: str | None = None
    """As much of the address as may be written down."""

    @property
    def requester(self) -> Requester:
        """Who this is, as the audit log knows them."""
        return Requester(self.actor, self.noted)

    @property
    def key(self) -> int | None:
        """The id of the API key, None for anybody else."""
        return self.actor.key if self.actor is not None else None

    @property
    def account(self) -> int | None:
        """Whose the session or the key is; None for a tenant's own key, and for nobody."""
        return self.actor.account if self.actor is not None else None

    @property
    def name(self) -> str:
        """Who this is among the tenant's callers, such as `key 42` or `address 192.0.2.1`."""
        return f"address {self.address}" if self.actor is None else self.actor.name


class Authenticator:
    """Tells callers from their headers."""

    def __init__(
        self,
        database: Database,
        tenants: Tenants,
        *,
        server_key: bytes,
        noted: Noted = Noted.FULL,
        key_used: Callable[[int, int], None] = lambda _tenant, _key: None,
    ) -> None:
        """`noted` is how much of a client's address may be written down; `key_used` hears of each use of a key."""
        self._database = database
        self._tenants = tenants
        self._noted = noted
        self._key_used = key_used
        self._server_key = server_key
        self._hosts: dict[str, tuple[int, float]] = {}
        self._heard: ContextVar[list[Actor] | None] = ContextVar("heard", default=None)

    @contextmanager
    def overhearing(self) -> Iterator[list[Actor]]:
        """Give a list of who is found by this task during the block, for whoever counts requests around a handler."""
        heard: list[Actor] = []
        before = self._heard.set(heard)
        try:
            yield heard
        finally:
            self._heard.reset(before)

    async def caller(self, headers: Mapping[str, str], address: str, *, method: str) -> Caller:
        """Return the caller.

        `Problem`: auth.required for a credential that is none, auth.forbidden for a cookie without its CSRF token,
        account.suspended, and tenant.suspended.
        """
        found = await self._found(Credentials.of(headers, method))
        if found is not None:
            actor, session = found
            return Caller(actor.tenant, actor, address, session, self.noted(address))
        tenant = await self.tenant_of(headers)
        return Caller(tenant, None, address, noted=self.noted(address))

    def noted(self, address: str) -> str | None:
        """Return what may be written down of a client's address."""
        return noted_address(address, self._noted)

    async def tenant_of(self, headers: Mapping[str, str]) -> int:
        """Return the tenant that the request's host is for; `Problem` tenant.suspended."""
        tenant = await self.tenant_of_host(headers.get("host", ""))
        (await self._tenants.get(tenant)).refuse_if_suspended()
        return tenant

    async def actor(self, credentials: Credentials) -> Actor | None:
        """Return whose credentials these are, None for nobody's; `Problem` as `caller`. Without any nobody is asked."""
        found = await self._found(credentials)
        return found[0] if found is not None else None

    async def viewer(self, image: Image, credentials: Credentials, read_token: str | None) -> Viewer:
        """Return what somebody with these credentials is to the image."""
        token = parse_token(Purpose.READ, read_token or "")
        shown = token is not None and token.id == image.id and token.matches(image.read_token_hash)
        actor = await self.actor(credentials)
        return Viewer(actor=actor, shown_token=shown, follows=await self._follows(actor, image))

    async def _follows(self, actor: Actor | None, image: Image) -> bool:
        """Return whether the caller follows the account that has the image; asked only when that decides."""
        if image.visibility is not Visibility.FOLLOWERS or image.owner is None or actor is None:
            return False
        if actor.account is None or actor.tenant != image.tenant:
            return False
        async with self._database.transaction(image.tenant) as connection:
            return await is_following(connection, follower=actor.account, followee=image.owner)

    def csrf_token(self, session: int) -> str:
        """Return what a page of this session sends with every change."""
        return derive_token(self._server_key, Purpose.CSRF, session).reveal()

    async def _found(self, credentials: Credentials) -> tuple[Actor, int | None] | None:
        found = await self._shown(credentials)
        if found is not None:
            if (heard := self._heard.get()) is not None:
                heard.append(found[0])
            (await self._tenants.get(found[0].tenant)).refuse_if_suspended()
        return found

    async def _shown(self, credentials: Credentials) -> tuple[Actor, int | None] | None:
        if credentials.authorization is not None:
            return await self._bearer(credentials.authorization)
        token = parse_token(Purpose.SESSION, credentials.cookie or "")
        found = await self._session(token) if token is not None else None
        if found is None:  # a cookie that has run out comes with every request of its browser: who asks is a stranger
            return None
        if credentials.changes and not self._is_proved(found[1], credentials.csrf):
            message = "Send the header X-CSRF-Token with the csrf_token that your session shows."
            raise Problem(Code.AUTH_FORBIDDEN, message)
        return found

    def _is_proved(self, session: int, csrf: str | None) -> bool:
        return hmac.compare_digest(self.csrf_token(session).encode(), (csrf or "").encode())

    async def _bearer(self, authorization: str) -> tuple[Actor, int | None]:
        scheme, _, text = authorization.partition(" ")
        text = text.strip() if scheme.lower() == "bearer" else ""
        found: tuple[Actor, int | None] | None = None
        if (key := parse_token(Purpose.API_KEY, text)) is not None:
            found = await self._key(key)
        elif (session := parse_token(Purpose.SESSION, text)) is not None:
            found = await self._session(session)
        if found is None:
            message = "This API key or session is not valid. Check it, sign in again, or send none."
            raise Problem(Code.AUTH_REQUIRED, message)
        return found

    async def _key(self, token: Token) -> tuple[Actor, None] | None:
        async with self._database.lookup() as connection:
            found = await find_key(connection, token.id)
        if found is None or not token.matches(found.secret_hash):
            return None
        if found.suspended:
            raise _suspended()
        self._key_used(found.tenant, token.id)
        return Actor(found.tenant, token.id, found.account, found.role, found.scopes), None

    async def _session(self, token: Token) -> tuple[Actor, int] | None:
        async with self._database.lookup() as connection:
            found = await find_session(connection, token.id)
        if found is None or not token.matches(found.secret_hash):
            return None
        if found.suspended:
            raise _suspended()
        if found.stale:
            with suppress(Problem):  # it lasts a while without
                async with self._database.transaction(found.tenant) as connection:
                    await touch_session(connection, token.id)
        return Actor(found.tenant, None, found.account, found.role), token.id

    async def tenant_of_host(self, host: str) -> int:
        """Return the tenant that a `Host` header leads to; `Problem` unavailable before there is any."""
        name, now = _name_of(host), time.monotonic()
        remembered = self._hosts.get(name)
        if remembered is not None and now - remembered[1] < HOST_SECONDS:
            return remembered[0]
        async with self._database.lookup() as connection:
            tenant = await find_tenant_of_host(connection, name)
        if tenant is None:
            raise Problem(Code.UNAVAILABLE, "This server is still being set up. Try again in a moment.", retry_after=1)
        if len(self._hosts) >= REMEMBERED_HOSTS:
            self._hosts.clear()
        self._hosts[name] = (tenant, now)
        return tenant


def cookie_in(cookie: str | None, name: str) -> str | None:
    """Return what a `Cookie` header has under this name, None when it has nothing."""
    if cookie is None or len(cookie) > MAX_COOKIE_CHARACTERS or name not in cookie:
        return None
    try:
        found = SimpleCookie(cookie).get(name)
    except CookieError:
        return None
    return found.value if found is not None else None


def _suspended() -> Problem:
    return Problem(Code.ACCOUNT_SUSPENDED, "This account is suspended. Its operator can tell why.")


def _name_of(host: str) -> str:
    name = host.rsplit(":", 1)[0].lower().removesuffix(".")
    return name if len(name) <= MAX_HOST_CHARACTERS else ""
