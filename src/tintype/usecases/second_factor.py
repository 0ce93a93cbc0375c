"""The stories of the authenticator app (TOTP, RFC 6238): set up, confirmed, asked for at each sign-in, turned off.

A code is six digits of a step of 30 s. That of the step before and of the one after is accepted as well, for clocks
that are wrong and thumbs that are slow; each code once, and none that is older than the last (RFC 6238 §5.2). Recovery
codes stand in for an app that is lost. Guesses are counted by account, wherever they come from: who guesses here knows
the password already. Recovery codes are not counted, for nobody guesses 120 bits: so whoever guesses cannot keep the
owner out.
"""

import secrets
from dataclasses import dataclass, replace
from typing import Final

import pyotp
from pyotp.utils import strings_equal

from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record, record_failure
from tintype.db.clock import DatabaseClock
from tintype.db.factor_mails import tell_owner
from tintype.db.pool import Connection, Database
from tintype.db.totp import (
    TotpRow,
    accept_step,
    begin_totp,
    confirm_totp,
    count_recovery_codes,
    delete_totp,
    get_totp,
    replace_recovery_codes,
    reseal_totp,
    use_recovery_code,
)
from tintype.domain.attempt_limits import code_charges
from tintype.domain.audit import Action, Result
from tintype.domain.errors import Code, Problem
from tintype.domain.own_account import Own
from tintype.domain.recovery_code import CODE_BYTES, CODES, hash_codes, read_code, spell_code
from tintype.storage.sealing import SealBroken, Sealer

STEP_SECONDS: Final = 30
SKEW_STEPS: Final = 1
DIGITS: Final = 6

FACTOR: Final = "totp"
"""What the audit log calls an authenticator app."""

ISSUER: Final = "Tintype"
"""What the app shows beside the account, unless the server has a name."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given: the secret to type, or the URI to show as a QR code. Both are secrets."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class FactorStatus:
    """Whether the app is asked for, and how many recovery codes are left."""

    on: bool
    recovery_codes: int


class SecondFactor:
    """Sets authenticator apps up and checks their codes."""

    def __init__(self, *, database: Database, clock: DatabaseClock, sealer: Sealer, limits: AttemptLimits) -> None:
        self._limits = limits
        self._database = database
        self._clock = clock
        self._sealer = sealer

    async def status(self, own: Own) -> FactorStatus:
        """Return how the account stands."""
        async with self._database.transaction(own.tenant) as connection:
            row = await get_totp(connection, own.account)
            left = await count_recovery_codes(connection, own.account)
        return FactorStatus(on=row is not None and row.confirmed, recovery_codes=left)

    async def begin(self, own: Own, *, name: str, issuer: str = ISSUER) -> Enrolment:
        """Return what a new app is set up with; nothing is asked for until a code of it confirms that it works.

        `Problem` conflict when the account has an app.
        """
        secret = pyotp.random_base32()
        sealed = self._sealer.seal(secret.encode(), "totp", own.account)
        async with self._database.transaction(own.tenant) as connection:
            if not await begin_totp(connection, tenant=own.tenant, account=own.account, secret=sealed):
                raise Problem(Code.CONFLICT, "An authenticator app is set up already. Turn it off first.")
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer))

    async def confirm(self, own: Own, code: str) -> list[str]:
        """Have the app count from now on, and return its recovery codes, which are never shown again.

        `Problem`: conflict without an app to confirm, factor.invalid for a wrong code, rate_limited.
        """
        await self._clock.refresh()
        await self._count(own)
        codes = _draw_codes()
        async with self._database.transaction(own.tenant) as connection:
            row = await get_totp(connection, own.account)
            if row is None or row.confirmed:
                raise Problem(Code.CONFLICT, "There is no authenticator app to confirm. Begin with POST /account/totp.")
            step = self._step_of(self._secret(row, own.account), code)
            if step is None:
                message = "This code is not of the app that is to be set up. Wait for the next one and try again."
                raise Problem(Code.FACTOR_INVALID, message)
            if not await confirm_totp(connection, own.account, secret=row.secret, step=step):
                raise Problem(Code.CONFLICT, "Another authenticator app was set up meanwhile.")
            await _store_codes(connection, own, codes)
            await record(connection, own.entry(Action.FACTOR_ADDED, factor=FACTOR))
            await tell_owner(connection, self._clock, own)
            await self._give_back(connection, own)
        return codes

    async def turn_off(self, own: Own) -> None:
        """Forget the app and its recovery codes; may be repeated."""
        await self._clock.refresh()
        async with self._database.transaction(own.tenant) as connection:
            if await delete_totp(connection, own.account):
                await record(connection, own.entry(Action.FACTOR_REMOVED, factor=FACTOR))
                await tell_owner(connection, self._clock, own)

    async def remake_codes(self, own: Own) -> list[str]:
        """Return ten new recovery codes; those of before count no more. `Problem` conflict without an app."""
        codes = _draw_codes()
        async with self._database.transaction(own.tenant) as connection:
            row = await get_totp(connection, own.account)
            if row is None or not row.confirmed:
                raise Problem(Code.CONFLICT, "Recovery codes come with an authenticator app. Set one up first.")
            await _store_codes(connection, own, codes)
            await record(connection, own.entry(Action.RECOVERY_CODES_MADE))
        return codes

    async def check(self, own: Own, code: str | None) -> None:
        """Return when the account has no app, or `code` is one of it or a recovery code, which is then used up.

        `own.by` may be a stranger yet: whoever showed the right password. `Problem`: auth.totp_required without a code,
        auth.totp_invalid for a wrong one, rate_limited.
        """
        async with self._database.transaction(own.tenant) as connection:
            row = await get_totp(connection, own.account)
        if row is None or not row.confirmed:
            return
        if not code:
            raise Problem(
                Code.AUTH_TOTP_REQUIRED, "Send the six digits of your authenticator app, or a recovery code, as totp."
            )
        recovery = read_code(code)
        right = await self._use_recovery_code(own, recovery) if recovery else await self._use_digits(own, row, code)
        if not right:
            async with self._database.transaction(own.tenant) as connection:
                failed = replace(own.entry(Action.FACTOR_FAILED, factor=FACTOR), result=Result.REFUSED)
                await record_failure(connection, failed)
            raise _wrong()

    async def _use_recovery_code(self, own: Own, code_hash: bytes) -> bool:
        async with self._database.transaction(own.tenant) as connection:
            used = await use_recovery_code(connection, own.account, code_hash)
            if used:
                await record(connection, own.entry(Action.RECOVERY_CODE_USED))
        return used

    async def _use_digits(self, own: Own, row: TotpRow, code: str) -> bool:
        await self._clock.refresh()
        await self._count(own)
        secret = self._secret(row, own.account)
        step = self._step_of(secret, code)
        if step is None:
            return False
        async with self._database.transaction(own.tenant) as connection:
            if not await accept_step(connection, own.account, step):
                return False
            await self._reseal(connection, own.account, row, secret)
            await self._give_back(connection, own)
        return True

    async def _reseal(self, connection: Connection, account: int, row: TotpRow, secret: str) -> None:
        if not self._sealer.is_current(row.secret):
            new = self._sealer.seal(secret.encode(), "totp", account)
            await reseal_totp(connection, account, old=row.secret, new=new)

    def _secret(self, row: TotpRow, account: int) -> str:
        try:
            return self._sealer.open(row.secret, "totp", account).decode()
        except SealBroken as error:
            message = "Your authenticator app cannot be checked here. Use a recovery code, and tell the operator."
            raise Problem(Code.INTERNAL, message) from error

    def _step_of(self, secret: str, code: str) -> int | None:
        """Return the step whose code this is, the earliest one of those that count; None when it is of none."""
        typed = "".join(code.split())
        totp, now = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS), int(self._clock.now().timestamp())
        steps = range(now // STEP_SECONDS - SKEW_STEPS, now // STEP_SECONDS + SKEW_STEPS + 1)
        found = [step for step in steps if strings_equal(typed, totp.generate_otp(step))]
        return found[0] if found else None

    async def _count(self, own: Own) -> None:
        """Count a guess before it is looked at, so that many at once are not more than they are."""
        async with self._database.lookup() as connection:
            await self._limits.take(connection, tenant=own.tenant, charges=code_charges(account=own.account))

    async def _give_back(self, connection: Connection, own: Own) -> None:
        await self._limits.give_back(connection, tenant=own.tenant, charges=code_charges(account=own.account))


async def _store_codes(connection: Connection, own: Own, codes: list[str]) -> None:
    await replace_recovery_codes(connection, tenant=own.tenant, account=own.account, hashes=hash_codes(codes))


def _draw_codes() -> list[str]:
    return [spell_code(secrets.token_bytes(CODE_BYTES)) for _ in range(CODES)]


def _wrong() -> Problem:
    return Problem(Code.AUTH_TOTP_INVALID, "This code is wrong, too old or used. Wait for the next one and try again.")
