"""`tintype account`: what the operator does about accounts from the machine itself, whoever else may sign in.

No password passes by: an account that is made here, or whose password was lost, gets a link with which its owner
chooses one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tintype.bootstrap.origin import site_url
from tintype.bootstrap.parts import foundation_of
from tintype.bootstrap.people import password_hasher
from tintype.bootstrap.privacy import account_deleter
from tintype.db.account_deletions import DeletionCause
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.clock import DatabaseClock
from tintype.db.mails import make_link
from tintype.db.notify import Notifier
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.setup import NoSuchTenant, create_setup_link, tenant_with_slug
from tintype.db.tenant_rows import get_tenant
from tintype.domain.account import Account, AccountState, Decision
from tintype.domain.actor import Role
from tintype.domain.audit import CONSOLE
from tintype.domain.email_address import BadEmail, parse_email
from tintype.domain.errors import Problem
from tintype.domain.handle import BadHandle, normal_handle
from tintype.domain.ids import DELETION_PREFIX, public_id
from tintype.domain.mail import MailKind, link_of, site_of
from tintype.domain.tokens import Purpose, derive_token
from tintype.reads.accounts import Accounts
from tintype.server_key import server_key
from tintype.settings import Settings
from tintype.usecases.change_account import ChangeAccount
from tintype.usecases.sign_up import NewAccount, SignUp

PAGE: Final = 100
PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done: `action`, with whom, and what the command line says beside."""

    action: str
    tenant: str
    name: str = ""
    email: str = ""
    account_role: str = Role.MEMBER
    reason: str | None = None


def work_on_accounts(settings: Settings, owner_url: str, wanted: Wanted, say: Say, complain: Say) -> int:
    """Do what is wanted and return the exit status: 1 when it could not be done."""
    try:
        if wanted.action == "set-up-link":
            token = create_setup_link(owner_url, wanted.tenant)
            say(f"{site_url(settings)}/setup#{token.reveal()}")
            return 0
        tenant = tenant_with_slug(owner_url, wanted.tenant)
        asyncio.run(_work(settings, owner_url, tenant, wanted, say))
    except NoSuchTenant:
        complain(f"There is no tenant {wanted.tenant!r}.")
        return 1
    except (BadHandle, BadEmail) as error:
        complain(str(error))
        return 1
    except Problem as problem:
        complain(problem.detail)
        return 1
    return 0


@asynccontextmanager
async def _opened(owner_url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseConfig(owner_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _work(settings: Settings, owner_url: str, tenant: int, wanted: Wanted, say: Say) -> None:
    async with _opened(owner_url) as database:
        match wanted.action:
            case "list":
                await _list(database, tenant, say)
            case "create":
                account = await _create(settings, database, tenant, wanted)
                say(f"{_line(account)}\nA link to choose the password, once, within the hour:")
                say(await _password_link(settings, database, account))
            case "reset-password":
                account = await _found(database, tenant, wanted.name)
                say(await _password_link(settings, database, account))
            case "delete":
                account = await _found(database, tenant, wanted.name)
                await _delete(settings, database, account, say)
            case _:
                account = await _found(database, tenant, wanted.name)
                change = ChangeAccount(database=database)
                say(_line(await change.decide(tenant, _decision(wanted), account.id, by=CONSOLE)))


async def _delete(settings: Settings, database: Database, account: Account, say: Say) -> None:
    foundation = foundation_of(settings, database)
    try:
        delete = account_deleter(foundation)
        await delete(tenant=account.tenant, account=account.id, by=CONSOLE, cause=DeletionCause.OPERATOR)
    finally:
        await foundation.notifier.close()
    receipt = public_id(DELETION_PREFIX, account.id)
    say(f"{account.public_id} is deleted, and its images are being purged. The receipt for operators: {receipt}")


def _decision(wanted: Wanted) -> Decision:
    if wanted.action == "role":
        return Decision(role=Role(wanted.account_role))
    state = AccountState.SUSPENDED if wanted.action == "suspend" else AccountState.ACTIVE
    return Decision(state=state, reason=wanted.reason)


async def _list(database: Database, tenant: int, say: Say) -> None:
    accounts, before = Accounts(database), None
    states = (AccountState.ACTIVE, AccountState.SUSPENDED)
    while True:
        page = await accounts.page(tenant, states=states, before=before, limit=PAGE)
        for account in page[:PAGE]:
            say(_line(account))
        if len(page) <= PAGE:
            return
        before = page[PAGE - 1].id


def _line(account: Account) -> str:
    verified = "confirmed" if account.email_verified_at else "not confirmed"
    created = account.created_at.isoformat(timespec="seconds")
    words = (account.public_id, f"{account.handle:<30}", account.role, account.state, account.email, verified, created)
    return "  ".join(words)


async def _create(settings: Settings, database: Database, tenant: int, wanted: Wanted) -> Account:
    notifier = Notifier(database)
    sign_up = SignUp(
        database=database,
        clock=DatabaseClock(database),
        notifier=notifier,
        hasher=password_hasher(settings),
        limits=AttemptLimits(on=False),
    )
    new = NewAccount(normal_handle(wanted.name), parse_email(wanted.email))
    try:
        return await sign_up.create(new, tenant=tenant, role=Role(wanted.account_role), by=CONSOLE)
    finally:
        await notifier.close()


async def _found(database: Database, tenant: int, name: str) -> Account:
    found = await Accounts(database).find(tenant, name)
    if found is None or found.state is AccountState.DELETED:
        raise BadHandle(f"There is no account {name!r}.")
    return found


async def _password_link(settings: Settings, database: Database, account: Account) -> str:
    """Return a link that lets whoever has it choose the account's password, once."""
    clock = DatabaseClock(database)
    await clock.refresh()
    async with database.transaction(account.tenant) as connection:
        mail = await make_link(connection, clock, account=account, kind=MailKind.PASSWORD_RESET, address="")
        at = await get_tenant(connection, account.tenant)
    site = site_of(site_url(settings), at.hostnames if at is not None else ())
    token = derive_token(server_key(settings), Purpose.PASSWORD_RESET, mail).reveal()
    return link_of(MailKind.PASSWORD_RESET, site, token)
