"""Builds what recognises people beside their passwords."""

from dataclasses import dataclass

from litestar import Router
from litestar.di import Provide

from tintype.adapters.oidc_provider import OidcProvider, ProviderConfig
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.domain.account import Account
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.own_account import Own, Proof
from tintype.ports.password_hasher import PasswordHasher
from tintype.settings import Settings
from tintype.settings_oidc import OidcSettings
from tintype.storage.sealing import Sealer
from tintype.usecases.begin_session import BeginSession
from tintype.usecases.passkeys import Passkeys
from tintype.usecases.prove_identity import ProveIdentity
from tintype.usecases.second_factor import SecondFactor
from tintype.usecases.sign_in import SignInAttempt
from tintype.usecases.sign_in_elsewhere import Provider, SignInElsewhere
from tintype.web.accounts_api import AccountsApi
from tintype.web.auth import Caller
from tintype.web.factors_api import FactorsApi
from tintype.web.oidc import OIDC
from tintype.web.passkeys import PASSKEYS
from tintype.web.totp import TOTP


@dataclass(frozen=True, slots=True)
class AppAtSignIn:
    """What `SignIn` asks once the password was right: a code, where the account has an app."""

    second_factor: SecondFactor

    async def check(self, account: Account, attempt: SignInAttempt) -> None:
        """Return when nothing more is asked for; `Problem` as `SecondFactor.check` says."""
        by = Requester(address=attempt.noted)
        await self.second_factor.check(Own(account.tenant, account.id, None, by), attempt.totp)


@dataclass(frozen=True, slots=True)
class Recognition:
    """What checks passwords and codes in one process. There is one: hashing is bounded by its threads."""

    hasher: PasswordHasher
    limits: AttemptLimits
    second_factor: SecondFactor
    prove_identity: ProveIdentity

    def at_sign_in(self) -> AppAtSignIn:
        """Return what a sign-in asks once the password was right."""
        return AppAtSignIn(self.second_factor)

    async def prove(self, caller: Caller, password: str | None, code: str | None) -> None:
        """Return when the caller has shown once more that it is them; `Problem` as `ProveIdentity` says."""
        if caller.actor is None or caller.actor.account is None:
            raise Problem(Code.AUTH_FORBIDDEN, "This is about an account. Sign in.")
        own = Own(caller.actor.tenant, caller.actor.account, caller.session, caller.requester)
        await self.prove_identity(own, Proof(password, code))


def recognition_of(
    settings: Settings, *, database: Database, clock: DatabaseClock, hasher: PasswordHasher, sealer: Sealer
) -> Recognition:
    """Return what checks passwords and codes."""
    limits = AttemptLimits(on=settings.rate_limits)
    second_factor = SecondFactor(database=database, clock=clock, sealer=sealer, limits=limits)
    prove_identity = ProveIdentity(database=database, hasher=hasher, limits=limits, check_code=second_factor.check)
    return Recognition(hasher, limits, second_factor, prove_identity)


def factor_routes(
    settings: Settings,
    accounts: AccountsApi,
    *,
    database: Database,
    clock: DatabaseClock,
    recognition: Recognition,
) -> Router:
    """Return the routes of apps, passkeys and accounts elsewhere."""
    api = FactorsApi(
        accounts=accounts,
        second_factor=recognition.second_factor,
        passkeys=Passkeys(database=database, clock=clock),
        sign_in_elsewhere=SignInElsewhere(
            database=database,
            clock=clock,
            providers={name: _provider(provider) for name, provider in settings.oidc.items()},
        ),
        prove_identity=recognition.prove_identity,
        begin_session=BeginSession(database=database, clock=clock),
        database=database,
        limits=recognition.limits,
        public_url=settings.public_url,
    )
    return Router(
        path="/api/v1",
        route_handlers=[*TOTP, *PASSKEYS, *OIDC],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Accounts"],
    )


def _provider(settings: OidcSettings) -> Provider:
    config = ProviderConfig(settings.issuer, settings.client_id, settings.client_secret, settings.scopes)
    return Provider(OidcProvider(config), settings.auto_create)
