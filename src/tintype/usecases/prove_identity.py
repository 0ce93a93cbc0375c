"""The story of showing once more who one is, before a way to sign in is added or taken away (OWASP ASVS 5.0, 7.5.1).

Whoever has a password or an authenticator app shows one of them, even in a session that has just begun: what is left
open or taken is a session. Whoever has neither signs in anew.
"""

from typing import Protocol

from tintype.db.accounts import read_account
from tintype.db.attempt_limits import AttemptLimits
from tintype.db.factors import Factors, factors_of
from tintype.db.pool import Database
from tintype.domain.attempt_limits import proof_charges
from tintype.domain.errors import Code, Kind, Problem
from tintype.domain.own_account import FRESH, Own, Proof
from tintype.domain.password import MAX_CHARACTERS, normal_password
from tintype.ports.password_hasher import PasswordHasher


class CheckCode(Protocol):
    """Raises `Problem` unless it is a code of the account's app, or a recovery code."""

    async def __call__(self, own: Own, code: str | None) -> None:
        """Check it, and use it up."""
        ...


class ProveIdentity:
    """Lets whoever owns the account through."""

    def __init__(
        self, *, database: Database, hasher: PasswordHasher, limits: AttemptLimits, check_code: CheckCode
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._limits = limits
        self._check_code = check_code

    async def __call__(self, own: Own, proof: Proof) -> Factors:
        """Return what the account is recognised by; `Problem` auth.proof_required, or as the checks say."""
        async with self._database.transaction(own.tenant) as connection:
            factors = await factors_of(connection, tenant=own.tenant, account=own.account, session=own.session)
        if factors is None:
            raise Problem(Code.AUTH_REQUIRED, "This account is not there any more.")
        try:
            await self._check(own, proof, factors)
        except Problem as problem:
            if problem.code.kind is Kind.UNAUTHENTICATED:  # they are signed in all the same
                raise Problem(Code.AUTH_PROOF_REQUIRED, "That is not your password, or not a code of now.") from None
            raise
        return factors

    async def _check(self, own: Own, proof: Proof, factors: Factors) -> None:
        if proof.password is not None and factors.password:
            await self._check_password(own, proof.password)
        elif proof.code is not None and factors.app:
            await self._check_code(own, proof.code)
        else:
            _refuse_unless_fresh(factors)

    async def _check_password(self, own: Own, password: str) -> None:
        charges = proof_charges(account=own.account)
        async with self._database.transaction(own.tenant) as connection:
            account = await read_account(connection, own.account)
        async with self._database.lookup() as connection:
            await self._limits.take(connection, tenant=own.tenant, charges=charges)
        checked = await self._hasher.check(
            normal_password(password)[:MAX_CHARACTERS], account.password_hash if account is not None else None
        )
        if not checked.matches or len(password) > 4 * MAX_CHARACTERS:
            raise Problem(Code.AUTH_FAILED, "This is not your password.")
        async with self._database.lookup() as connection:
            await self._limits.give_back(connection, tenant=own.tenant, charges=charges)


def _refuse_unless_fresh(factors: Factors) -> None:
    if factors.password or factors.app:
        ways = [name for name, there in (("password", factors.password), ("totp", factors.app)) if there]
        raise Problem(Code.AUTH_PROOF_REQUIRED, f"Show again that it is you: send {' or '.join(ways)} in the body.")
    if factors.session_age is None or factors.session_age > FRESH.total_seconds():
        raise Problem(Code.AUTH_PROOF_REQUIRED, "Show again that it is you: sign in anew, and repeat this.")
