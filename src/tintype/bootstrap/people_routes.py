"""Builds the routes of people: accounts, sessions, and what is theirs by right."""

from dataclasses import dataclass

from litestar import Router

from tintype.bootstrap.factor_routes import Recognition, factor_routes, recognition_of
from tintype.bootstrap.origin import come_by_https
from tintype.bootstrap.parts import Parts
from tintype.bootstrap.people import password_hasher
from tintype.bootstrap.privacy_routes import privacy_routes
from tintype.db.clock import DatabaseClock
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.reads.account_pictures import AccountPictures
from tintype.reads.accounts import Accounts
from tintype.server_key import sealer, server_key
from tintype.settings import Settings
from tintype.usecases.change_account import ChangeAccount
from tintype.usecases.change_password import ChangePassword
from tintype.usecases.end_sessions import EndSessions
from tintype.usecases.sign_in import SignIn
from tintype.usecases.sign_up import SignUp
from tintype.usecases.verify_email import VerifyEmail
from tintype.web.account_mail import account_mail_routes
from tintype.web.accounts import account_routes
from tintype.web.accounts_api import AccountsApi
from tintype.web.auth import Authenticator
from tintype.web.body import BodyLimits
from tintype.web.client_address import Proxies
from tintype.web.images_api import ImagesApi
from tintype.web.sessions import session_routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Beneath:
    """What an API process has built already."""

    settings: Settings
    database: Database
    clock: DatabaseClock
    notifier: Notifier
    authenticator: Authenticator
    proxies: Proxies
    body_limits: BodyLimits
    server_key: bytes
    recognition: Recognition


def people_routes(beneath: Beneath) -> list[Router]:
    """Return the routes of accounts and sessions."""
    settings, database, clock = beneath.settings, beneath.database, beneath.clock
    recognition = beneath.recognition
    hasher, limits = recognition.hasher, recognition.limits
    api = AccountsApi(
        authenticator=beneath.authenticator,
        proxies=beneath.proxies,
        body_limits=beneath.body_limits,
        sign_up=SignUp(database=database, clock=clock, notifier=beneath.notifier, hasher=hasher, limits=limits),
        sign_in=SignIn(
            database=database,
            clock=clock,
            hasher=hasher,
            limits=limits,
            second_factor=recognition.at_sign_in(),
            server_key=beneath.server_key,
        ),
        change_account=ChangeAccount(database=database),
        change_password=ChangePassword(
            database=database,
            clock=clock,
            notifier=beneath.notifier,
            hasher=hasher,
            limits=limits,
            server_key=beneath.server_key,
        ),
        verify_email=VerifyEmail(
            database=database,
            clock=clock,
            notifier=beneath.notifier,
            limits=limits,
            server_key=beneath.server_key,
        ),
        end_sessions=EndSessions(database=database),
        accounts=Accounts(database),
        account_pictures=AccountPictures(database),
        public_url=settings.public_url,
        sign_up_open=settings.accounts.sign_up,
        secure=come_by_https(settings),
    )
    factors = factor_routes(settings, api, database=database, clock=clock, recognition=recognition)
    return [account_routes(api), session_routes(api), account_mail_routes(api), factors]


def routes_of_people(settings: Settings, parts: Parts, images: ImagesApi) -> Router:
    """Return the routes of accounts and of people's rights, which share paths."""
    recognition = recognition_of(
        settings,
        database=parts.database,
        clock=parts.clock,
        hasher=password_hasher(settings),
        sealer=sealer(settings),
    )
    people = people_routes(
        Beneath(
            settings=settings,
            database=parts.database,
            clock=parts.clock,
            notifier=parts.notifier,
            authenticator=images.authenticator,
            proxies=images.proxies,
            body_limits=images.body_limits,
            server_key=server_key(settings),
            recognition=recognition,
        )
    )
    privacy = privacy_routes(settings, parts.foundation, images.authenticator, images.proxies, recognition.prove)
    return Router(path="/", route_handlers=[*people, *privacy])
