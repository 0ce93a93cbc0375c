"""The story of an account that changes: what it says of itself, and what is decided about it.

Both happen under the row's lock, against the state that the caller has read where they name it. A new handle is claimed
and the old one let go in the same transaction. The last operator of a tenant stays one: who would make the next?
"""

from collections.abc import Callable, Iterator

from tintype.db.accounts import (
    claim_handle,
    lock_account,
    lock_operators,
    read_account,
    release_handle,
    save_decision,
    save_profile,
)
from tintype.db.audit import record
from tintype.db.notify import notify_account_at_once
from tintype.db.pool import Connection, Database
from tintype.domain.account import Account, AccountState, Decision, ends_operation, move, permit
from tintype.domain.audit import Action, Entry, Requester, Via, account_object
from tintype.domain.errors import Code, Problem


class ChangeAccount:
    """Changes accounts."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def profile(
        self,
        tenant: int,
        account: int,
        change: Callable[[Account], Account],
        *,
        by: Requester,
        expected: frozenset[str] | None,
    ) -> Account:
        """Return the account as it is after the change. `Problem`: handle_taken, precondition_failed."""
        async with self._database.transaction(tenant) as connection:
            before = await _locked(connection, account, expected)
            after = change(before)
            if after.handle != before.handle:
                if not await claim_handle(connection, tenant=tenant, handle=after.handle, account=account):
                    raise Problem(Code.ACCOUNT_HANDLE_TAKEN, "Somebody has this handle. Choose another one.")
                await release_handle(connection, tenant=tenant, handle=before.handle)
            await save_profile(connection, after)
            await record(connection, Entry(action=Action.PROFILE_CHANGED, by=by, object=account_object(account)))
            return await _reread(connection, account)

    async def decide(
        self,
        tenant: int,
        decision: Decision,
        account: int,
        *,
        by: Requester,
        expected: frozenset[str] | None = None,
    ) -> Account:
        """Return the account as it is decided; who has no actor is the operator at the command line.

        `Problem`: auth.forbidden, conflict for the last operator, precondition_failed, not_found.
        """
        async with self._database.transaction(tenant) as connection:
            operators = await lock_operators(connection, tenant=tenant)  # before the row: two meet in one order
            before = await _locked(connection, account, expected)
            if by.via is not Via.COMMAND:
                permit(decision, before, by.actor)
            if ends_operation(decision, before) and operators == [account]:
                raise Problem(Code.CONFLICT, "This is the last operator. Make somebody else one first.")
            if decision.state is not None:
                move(before.state, decision.state)
            await save_decision(connection, account, decision)
            if decision.state is not None:
                await notify_account_at_once(connection, account)  # its images are shown, or are not, from now on
            for entry in _entries(decision, before, by):
                await record(connection, entry)
            return await _reread(connection, account)


def _entries(decision: Decision, before: Account, by: Requester) -> Iterator[Entry]:
    """Give what the log says of a decision: nothing of what stays as it was, and never the reason's own words."""
    named = account_object(before.id)
    if decision.state not in {None, before.state}:
        action = Action.SUSPENDED if decision.state is AccountState.SUSPENDED else Action.UNSUSPENDED
        yield Entry(action=action, by=by, account=before.id, object=named)
    if decision.role not in {None, before.role}:
        detail = {"from": before.role.value, "to": str(decision.role)}
        yield Entry(action=Action.ROLE_CHANGED, by=by, account=before.id, object=named, detail=detail)


async def _locked(connection: Connection, account: int, expected: frozenset[str] | None) -> Account:
    found = await lock_account(connection, account)
    if found is None or found.state is AccountState.DELETED:
        raise Problem(Code.NOT_FOUND, "There is no such account.")
    if expected is not None and found.entity_tag not in expected:
        raise Problem(
            Code.PRECONDITION_FAILED,
            "The account has changed since you read it. Read it again and repeat your change on what it is now.",
        )
    return found


async def _reread(connection: Connection, account: int) -> Account:
    found = await read_account(connection, account)
    if found is None:
        raise LookupError(account)
    return found
