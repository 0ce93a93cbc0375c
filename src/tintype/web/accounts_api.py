"""What the handlers of accounts and sessions have in common: what they work with, who asks, what a sign-in answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response

from tintype.domain.account import Account
from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.session import LONGEST
from tintype.reads.account_pictures import AccountPictures
from tintype.reads.accounts import Accounts
from tintype.usecases.change_account import ChangeAccount
from tintype.usecases.change_password import ChangePassword
from tintype.usecases.end_sessions import EndSessions
from tintype.usecases.sign_in import SignedIn, SignIn
from tintype.usecases.sign_up import SignUp, Visitor
from tintype.usecases.verify_email import VerifyEmail
from tintype.web.account_json import OpenedSessionJson, Pictures, present_own_account
from tintype.web.auth import SESSION_COOKIE, Authenticator, Caller, cookie_in
from tintype.web.body import BodyLimits
from tintype.web.client_address import Proxies, counted_as
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest, base_url_of

DEVICE_COOKIE: Final = "tintype_device"
"""Says that somebody signed in with this browser before; opens nothing. See `domain/attempt_limits.py`."""

DEVICE_SECONDS: Final = 2 * 365 * 86_400
"""Longer than sessions: it is of use when they are over."""


@dataclass(frozen=True, slots=True)
class AccountsApi:
    """What the handlers work with. `secure` is whether browsers reach us by TLS, `sign_up_open` whether anybody may."""

    authenticator: Authenticator
    proxies: Proxies
    body_limits: BodyLimits
    sign_up: SignUp
    sign_in: SignIn
    change_account: ChangeAccount
    change_password: ChangePassword
    verify_email: VerifyEmail
    end_sessions: EndSessions
    accounts: Accounts
    account_pictures: AccountPictures
    public_url: str | None
    sign_up_open: bool
    secure: bool

    def visitor(self, request: ApiRequest) -> Visitor:
        """Return where the request comes from."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        return Visitor(counted_as(address), request.headers.get("user-agent"), self.authenticator.noted(address))

    def requester(self, request: ApiRequest) -> Requester:
        """Return how the audit log knows a stranger who shows a link."""
        return Requester(address=self.visitor(request).noted)

    async def caller(self, request: ApiRequest) -> Caller:
        """Return who asks."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        return await self.authenticator.caller(request.headers, address, method=request.method)

    async def own(self, request: ApiRequest) -> "OwnCaller":
        """Return the account that asks about itself; `Problem` for who has none."""
        caller = await self.caller(request)
        actor = caller.actor
        if actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Sign in first, and send the token that you get as Bearer.")
        actor.need(Scope.ACCOUNT)
        if actor.account is None:
            raise Problem(Code.AUTH_FORBIDDEN, "This API key is the tenant's, which has no account. Sign in.")
        return OwnCaller(actor, actor.account, caller.session)

    async def pictures(self, request: ApiRequest, *accounts: Account) -> Pictures:
        """Return the avatars and banners of these accounts, which are of one tenant."""
        images = await self.account_pictures.of(accounts[0].tenant, accounts) if accounts else {}
        return Pictures(images, base_url_of(request, self.public_url))

    def by(self, request: ApiRequest, own: "OwnCaller") -> Requester:
        """Return how the audit log knows an account that asks."""
        return Requester(own.actor, self.visitor(request).noted)

    async def opened(self, request: ApiRequest, signed_in: SignedIn) -> Response[OpenedSessionJson]:
        """Return the answer that begins a session: its token, once, and as a cookie for browsers."""
        session, account = signed_in.session, signed_in.account
        shown = OpenedSessionJson(
            token=session.token.reveal(),
            csrf_token=self.authenticator.csrf_token(session.token.id),
            account=present_own_account(account, await self.pictures(request, account)),
            expires_at=utc_time(session.expires_at),
        )
        answer: Response[OpenedSessionJson] = Response(shown, status_code=201, headers=UNSHARED)
        for name, value, seconds in (
            (SESSION_COOKIE, session.token.reveal(), int(LONGEST.total_seconds())),
            (DEVICE_COOKIE, signed_in.device, DEVICE_SECONDS),
        ):
            self.set_cookie(answer, name, value, seconds)
        return answer

    def set_cookie(self, answer: Response[Any], name: str, value: str, seconds: int) -> None:
        """Have browsers keep a cookie that no script reads and no other site's form sends."""
        answer.set_cookie(
            key=name, value=value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )


@dataclass(frozen=True, slots=True)
class OwnCaller:
    """An account that asks about itself; `session` is None for one of its API keys."""

    actor: Actor
    account: int
    session: int | None

    @property
    def tenant(self) -> int:
        """The tenant of the account."""
        return self.actor.tenant


def device_of(headers: Mapping[str, str]) -> str | None:
    """Return what the browser has kept of an earlier sign-in."""
    return cookie_in(headers.get("cookie"), DEVICE_COOKIE)


def account_headers(account: Account) -> dict[str, str]:
    """Return the headers of an answer that shows the account to itself."""
    return {"etag": account.entity_tag, **UNSHARED}
