"""Builds what people need: accounts, sessions, mail. Called by `bootstrap.py`, which has built what is beneath."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from litestar import Router

from tintype.adapters.mailer_folder import FolderMailer
from tintype.adapters.mailer_smtp import SmtpConfig, SmtpMailer
from tintype.adapters.passwords_argon2 import Argon2Hasher, HashingLimits
from tintype.bootstrap_factors import Recognition, factor_routes
from tintype.bootstrap_origin import come_by_https, own_url
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import Task
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.periodic import PeriodicTask
from tintype.ports.mailer import Mailer
from tintype.ports.password_hasher import PasswordHasher
from tintype.reads.account_pictures import AccountPictures
from tintype.reads.accounts import Accounts
from tintype.settings import Settings
from tintype.usecases.change_account import ChangeAccount
from tintype.usecases.change_password import ChangePassword
from tintype.usecases.end_sessions import EndSessions
from tintype.usecases.send_mail import SendMail
from tintype.usecases.sign_in import SignIn
from tintype.usecases.sign_up import SignUp
from tintype.usecases.sweep_accounts import sweep_accounts
from tintype.usecases.verify_email import VerifyEmail
from tintype.web.account_mail import account_mail_routes
from tintype.web.accounts import account_routes
from tintype.web.accounts_api import AccountsApi
from tintype.web.auth import Authenticator
from tintype.web.body import BodyLimits
from tintype.web.client_address import Proxies
from tintype.web.sessions import session_routes

Job = Callable[..., Awaitable[None]]


def password_hasher(settings: Settings) -> PasswordHasher:
    """Return what hashes passwords in one process."""
    return Argon2Hasher(HashingLimits(settings.accounts.hash_threads, settings.accounts.hash_waiting))


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


def people_jobs(
    settings: Settings, *, database: Database, clock: DatabaseClock, notifier: Notifier, server_key: bytes
) -> Mapping[Task, Job]:
    """Return the jobs that a worker does for people."""
    send_mail = SendMail(database=database, mailer=mailer(settings), server_key=server_key, site=site_url(settings))
    change_password = ChangePassword(
        database=database,
        clock=clock,
        notifier=notifier,
        hasher=password_hasher(settings),
        limits=AttemptLimits(on=False),
        server_key=server_key,
    )
    return {Task.SEND_MAIL: send_mail, Task.ASK_PASSWORD_RESET: change_password.write}


def people_tasks(settings: Settings, database: Database) -> Iterator[PeriodicTask]:
    """Give what is done for people at its time."""
    yield PeriodicTask("sweep_accounts", settings.schedule["sweep_accounts"], lambda: sweep_accounts(database))


def mailer(settings: Settings) -> Mailer:
    """Return what takes mails: the server that is named, else a folder of the data directory."""
    accounts = settings.accounts
    sender = accounts.mail_from or f"Tintype <tintype@{urlsplit(site_url(settings)).hostname or 'localhost'}>"
    if accounts.smtp_url is None:
        return FolderMailer(settings.data / "mail", sender=sender)
    return SmtpMailer(SmtpConfig.from_url(accounts.smtp_url, sender=sender))


def site_url(settings: Settings) -> str:
    """Return where people reach us, for links in mails: as configured, never as a request says.

    A Host header is its sender's to write, and a mail with their host in it would send them our token.
    """
    return settings.public_url or own_url(settings)
