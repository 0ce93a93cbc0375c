"""Builds what people need: accounts, sessions, mail."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from urllib.parse import urlsplit

from tintype.adapters.mailer_folder import FolderMailer
from tintype.adapters.mailer_smtp import SmtpConfig, SmtpMailer
from tintype.adapters.passwords_argon2 import Argon2Hasher, HashingLimits
from tintype.bootstrap.origin import site_url
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import Task
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.periodic import PeriodicTask
from tintype.ports.mailer import Mailer
from tintype.ports.password_hasher import PasswordHasher
from tintype.settings import Settings
from tintype.usecases.change_password import ChangePassword
from tintype.usecases.send_mail import SendMail
from tintype.usecases.sweep_accounts import sweep_accounts

Job = Callable[..., Awaitable[None]]


def password_hasher(settings: Settings) -> PasswordHasher:
    """Return what hashes passwords in one process."""
    return Argon2Hasher(HashingLimits(settings.accounts.hash_threads, settings.accounts.hash_waiting))


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
