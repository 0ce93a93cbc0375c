"""The story of signing in with an account elsewhere (OpenID Connect): the browser goes there and comes back, once.

Who comes back is known by issuer and subject, and by nothing else. An e-mail address that is somebody's here is never
taken for them, however the provider vouches for it: whoever runs the provider would else own every account. Its owner
signs in here and links the two. A provider that vouches for no address makes nobody an account.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tintype.db.accounts import claim_email, claim_handle, insert_account, lock_account, save_verified_email
from tintype.db.audit import record
from tintype.db.challenges import Asked, Challenge, ask, take_answered
from tintype.db.clock import DatabaseClock
from tintype.db.factor_mails import tell_owner
from tintype.db.identities import Identity, account_of_identity, identities_of, link_identity, unlink_identity
from tintype.db.pool import Clash, Connection, Database
from tintype.domain.account import AccountState
from tintype.domain.actor import Role
from tintype.domain.audit import Action, Requester
from tintype.domain.email_address import BadEmail, EmailAddress, parse_email
from tintype.domain.errors import Code, Problem
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.ids import hash_bucket
from tintype.domain.oidc import (
    SECRET_BYTES,
    Claims,
    base64url,
    code_challenge,
    from_base64url,
    handle_from,
    nonce_of,
    verifier_of,
)
from tintype.domain.own_account import Own
from tintype.ports.identity_provider import IdentityProvider

HANDLE_ATTEMPTS: Final = 5
WISHED_CHARACTERS: Final = 20
"""Of the name elsewhere, so that six digits fit behind it."""

NAMELESS: Final = "person"

LIFETIME: Final = timedelta(minutes=10)
"""From going there to coming back: somebody may have to find their other password first."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it may be chosen."""

    client: IdentityProvider
    auto_create: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the secret that its cookie keeps meanwhile."""

    url: str
    browser_secret: str


@dataclass(frozen=True, slots=True)
class Return:
    """What a browser comes back with; `browser_secret` is its cookie's."""

    state: str
    code: str | None
    browser_secret: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came back, and where to. `linked`: they were signed in already, and are known by this from now on."""

    account: int
    return_to: str
    linked: bool


class SignInElsewhere:
    """Sends browsers to providers, and recognises who comes back."""

    def __init__(self, *, database: Database, clock: DatabaseClock, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._providers = providers
        self._clock = clock

    @property
    def names(self) -> list[str]:
        """The providers that there are."""
        return sorted(self._providers)

    async def depart(
        self, name: str, *, tenant: int, redirect_uri: str, return_to: str, own: Own | None = None
    ) -> Departure:
        """Return where to send the browser: to sign in, or, for `own`, to link the account there to theirs.

        `Problem`: not_found for a provider that there is not, auth.provider_unavailable.
        """
        provider = self._provider(name)
        browser, state = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
        url = await provider.client.authorization_url(
            redirect_uri=redirect_uri,
            state=base64url(state),
            nonce=nonce_of(browser),
            code_challenge=code_challenge(verifier_of(browser)),
        )
        async with self._database.transaction(tenant) as connection:
            await ask(
                connection,
                tenant=tenant,
                challenge=state,
                asked=Asked.OIDC,
                lifetime=LIFETIME,
                account=own.account if own is not None else None,
                detail={"provider": name, "browser": hashlib.sha256(browser).hexdigest(), "return_to": return_to},
            )
        return Departure(url, base64url(browser))

    async def arrive(self, name: str, came: Return, *, tenant: int, redirect_uri: str, by: Requester) -> Arrival:
        """Return who came back.

        `Problem`: auth.oidc_failed, auth.link_required, conflict, auth.provider_unavailable, not_found.
        """
        provider, browser = self._provider(name), from_base64url(came.browser_secret) or b""
        asked = await self._asked(name, came.state, browser, tenant=tenant)
        if came.code is None:
            raise Problem(Code.AUTH_OIDC_FAILED, "The provider did not sign you in. Try again, or choose another way.")
        claims = await provider.client.redeem(
            came.code, redirect_uri=redirect_uri, verifier=verifier_of(browser), nonce=nonce_of(browser)
        )
        return_to = str(asked.detail["return_to"])
        if asked.account is not None:
            await self._link(name, claims, Own(tenant, asked.account, None, by))
            return Arrival(asked.account, return_to, linked=True)
        account = await self._recognise(name, provider, claims, tenant=tenant, by=by)
        return Arrival(account, return_to, linked=False)

    async def links(self, own: Own) -> list[Identity]:
        """Return the accounts elsewhere that are linked."""
        async with self._database.transaction(own.tenant) as connection:
            return await identities_of(connection, tenant=own.tenant, account=own.account)

    async def unlink(self, own: Own, name: str) -> None:
        """Forget the account elsewhere; `Problem` not_found."""
        await self._clock.refresh()
        async with self._database.transaction(own.tenant) as connection:
            if not await unlink_identity(connection, tenant=own.tenant, account=own.account, provider=name):
                raise Problem(Code.NOT_FOUND, "No account of this provider is linked to yours.")
            await record(connection, own.entry(Action.IDENTITY_UNLINKED, provider=name))
            await tell_owner(connection, self._clock, own)

    def _provider(self, name: str) -> Provider:
        found = self._providers.get(name)
        if found is None:
            raise Problem(Code.NOT_FOUND, "There is no such provider to sign in with.")
        return found

    async def _asked(self, name: str, state: str, browser: bytes, *, tenant: int) -> Challenge:
        """Return what was asked of this browser; an answer counts once, and from nobody else."""
        async with self._database.transaction(tenant) as connection:
            asked = await take_answered(
                connection, tenant=tenant, challenge=from_base64url(state) or b"", asked=Asked.OIDC
            )
        shown = hashlib.sha256(browser).hexdigest()
        if (
            asked is None
            or asked.detail["provider"] != name
            or not hmac.compare_digest(str(asked.detail["browser"]), shown)
        ):
            message = "This sign-in was not begun in this browser, was ended, or took too long. Begin again."
            raise Problem(Code.AUTH_OIDC_FAILED, message)
        return asked

    async def _link(self, name: str, claims: Claims, own: Own) -> None:
        await self._clock.refresh()
        try:
            async with self._database.transaction(own.tenant) as connection:
                account = await lock_account(connection, own.account)  # it may have been deleted meanwhile
                if account is None or account.state is not AccountState.ACTIVE:
                    raise Problem(Code.AUTH_OIDC_FAILED, "The account that this was to be linked to is not there.")
                known = await account_of_identity(
                    connection, tenant=own.tenant, issuer=claims.issuer, subject=claims.subject
                )
                if known == own.account:
                    return
                await _store_link(connection, name, claims, own)
                await tell_owner(connection, self._clock, own)
        except Clash:
            raise Problem(
                Code.CONFLICT,
                "That account is linked to another one here, or you have linked another one of this provider. Unlink "
                "it first.",
            ) from None

    async def _recognise(self, name: str, provider: Provider, claims: Claims, *, tenant: int, by: Requester) -> int:
        """Return whose identity it is, making an account for whom there is none."""
        async with self._database.transaction(tenant) as connection:
            known = await account_of_identity(connection, tenant=tenant, issuer=claims.issuer, subject=claims.subject)
        if known is not None:
            return known
        if not provider.auto_create:
            raise _link_first("Nobody here is known by that account.")
        if claims.email is None or not claims.email_verified:
            raise _link_first("The provider vouches for no e-mail address of yours, which an account here needs.")
        await self._clock.refresh()
        try:
            async with self._database.transaction(tenant) as connection:
                account = await self._make_account(connection, claims, tenant=tenant)
                made = Own(tenant, account, None, by)
                await record(connection, made.entry(Action.SIGNED_UP, provider=name))
                await _store_link(connection, name, claims, made)
                return account
        except Clash:  # of two arrivals at once the other was first
            raise Problem(Code.UNAVAILABLE, "Somebody came first. Sign in again.", retry_after=1) from None

    async def _make_account(self, connection: Connection, claims: Claims, *, tenant: int) -> int:
        """Return a new member's account, whose address counts as shown: the provider vouches for it."""
        email = _address(claims)
        for handle in _handles(claims):
            account = self._clock.new_id(hash_bucket(hashlib.sha256(f"{tenant} {handle}".encode()).digest()))
            if await claim_handle(connection, tenant=tenant, handle=handle, account=account):
                break
        else:
            raise Problem(Code.UNAVAILABLE, "No free handle could be found. Sign in again.", retry_after=1)
        if not await claim_email(connection, tenant=tenant, email=email.normal, account=account):
            raise _link_first("There is an account with your e-mail address already.")
        await insert_account(
            connection,
            account=account,
            tenant=tenant,
            handle=handle,
            email=email.given,
            password_hash=None,
            role=Role.MEMBER,
        )
        await save_verified_email(connection, account, email.given)
        return account


def _address(claims: Claims) -> EmailAddress:
    try:
        return parse_email(claims.email or "")
    except BadEmail:
        raise _link_first("The provider vouches for an e-mail address that mail cannot be sent to.") from None


def _handles(claims: Claims) -> Iterator[str]:
    """Give handles that the person may like, the nicest first; they can choose another one later."""
    wished = handle_from(claims)[:WISHED_CHARACTERS].rstrip("_")
    for _ in range(HANDLE_ATTEMPTS):
        with suppress(BadHandle):
            yield normal_handle(wished)
        wished = f"{(handle_from(claims) or NAMELESS)[:WISHED_CHARACTERS].rstrip('_')}_{secrets.randbelow(10**6):06}"


async def _store_link(connection: Connection, name: str, claims: Claims, own: Own) -> None:
    await link_identity(
        connection,
        tenant=own.tenant,
        account=own.account,
        provider=name,
        issuer=claims.issuer,
        subject=claims.subject,
    )
    await record(connection, own.entry(Action.IDENTITY_LINKED, provider=name))


def _link_first(why: str) -> Problem:
    return Problem(Code.AUTH_LINK_REQUIRED, f"{why} Sign in another way, and link it in your account.")
