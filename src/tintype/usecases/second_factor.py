"""The stories of the authenticator app (TOTP, RFC 6238): set up, confirmed, asked for at each sign-in, turned off.

A code is six digits of a step of 30 s. That of the step before and of the one after is accepted as well, for clocks
that are wrong and thumbs that are slow; each code once, and none that is older than the last (RFC 6238 §5.2). Recovery
codes stand in for an app that is lost. Guesses are counted by account, wherever they come from: who guesses here knows
the password already. Recovery codes are not counted, for nobody guesses 120 bits: so whoever guesses cannot keep the
owner out.

What the app is set up with, and the recovery codes, are told once. Only a repetition with the same Idempotency-Key is
told them again, as long as they count: they derive from that key's text, which is stored nowhere.
"""

import base64
import secrets
from dataclasses import dataclass, replace
from typing import Final

import pyotp
from pyotp.utils import strings_equal

from tintype.db.attempt_limits import AttemptLimits
from tintype.db.audit import record, record_failure
from tintype.db.clock import DatabaseClock
from tintype.db.factor_mails import tell_owner
from tintype.db.idempotency import answered_before, keep_or_undo, undone_once
from tintype.db.pool import Connection, Database
from tintype.db.totp import (
    TotpRow,
    accept_step,
    begin_totp,
    confirm_totp,
    count_recovery_codes,
    delete_totp,
    get_totp,
    has_recovery_codes,
    replace_recovery_codes,
    reseal_totp,
    use_recovery_code,
)
from tintype.domain.attempt_limits import code_charges
from tintype.domain.audit import Action, Result
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import SecretAttempt, superseded
from tintype.domain.own_account import Own
from tintype.domain.recovery_code import CODE_BYTES, CODES, hash_codes, read_code, spell_code
from tintype.storage.sealing import SealBroken, Sealer

STEP_SECONDS: Final = 30
SKEW_STEPS: Final = 1
DIGITS: Final = 6

SECRET_BYTES: Final = 20
"""As long as the hash that apps make codes with (RFC 4226 §4)."""

FACTOR: Final = "totp"
"""What the audit log calls an authenticator app."""

ISSUER: Final = "Tintype"
"""What the app shows beside the account, unless the server has a name."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is given: the secret to type, or the URI to show as a QR code. Both are secrets.

    `again` says that it was told before, for the same Idempotency-Key.
    """

    secret: str
    uri: str
    again: bool


@dataclass(frozen=True, slots=True)
class NewCodes:
    """Recovery codes, to be shown once; `again` likewise."""

    codes: list[str]
    again: bool


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

    async def begin(
        self, own: Own, *, name: str, issuer: str = ISSUER, repeatable: SecretAttempt | None = None
    ) -> Enrolment:
        """Return what a new app is set up with; nothing is asked for until a code of it confirms that it works.

        `Problem` conflict when the account has an app, idempotency.mismatch.
        """
        secret = self._draw_secret(own, repeatable)
        again = await undone_once(lambda: self._begin(own, secret, repeatable))
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer), again)

    async def _begin(self, own: Own, secret: str, repeatable: SecretAttempt | None) -> bool:
        """Store the secret; return whether an earlier attempt did."""
        attempt = repeatable.attempt if repeatable is not None else None
        async with self._database.transaction(own.tenant) as connection:
            if await answered_before(connection, tenant=own.tenant, attempt=attempt) is not None:
                row = await get_totp(connection, own.account)
                if row is None or row.confirmed or self._secret(row, own.account) != secret:
                    raise superseded()
                return True
            sealed = self._sealer.seal(secret.encode(), "totp", own.account)
            if not await begin_totp(connection, tenant=own.tenant, account=own.account, secret=sealed):
                raise Problem(Code.CONFLICT, "An authenticator app is set up already. Turn it off first.")
            await keep_or_undo(connection, tenant=own.tenant, attempt=attempt, made=own.account)
        return False

    async def confirm(self, own: Own, code: str, repeatable: SecretAttempt | None = None) -> NewCodes:
        """Have the app count from now on, and return its recovery codes, which are never shown again.

        `Problem`: conflict without an app to confirm, factor.invalid for a wrong code, rate_limited,
        idempotency.mismatch.
        """
        await self._clock.refresh()
        await self._count(own)
        codes = self._draw_codes(own, repeatable)
        again = await undone_once(lambda: self._confirm(own, code, codes, repeatable))
        return NewCodes(codes, again)

    async def _confirm(self, own: Own, code: str, codes: list[str], repeatable: SecretAttempt | None) -> bool:
        """Have the app and the codes count; return whether an earlier attempt did."""
        attempt = repeatable.attempt if repeatable is not None else None
        async with self._database.transaction(own.tenant) as connection:
            if await answered_before(connection, tenant=own.tenant, attempt=attempt) is not None:
                await _refuse_unless_current(connection, own, codes)
                await self._give_back(connection, own)
                return True
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
            await keep_or_undo(connection, tenant=own.tenant, attempt=attempt, made=own.account)
            await record(connection, own.entry(Action.FACTOR_ADDED, factor=FACTOR))
            await tell_owner(connection, self._clock, own)
            await self._give_back(connection, own)
        return False

    async def turn_off(self, own: Own) -> None:
        """Forget the app and its recovery codes; may be repeated."""
        await self._clock.refresh()
        async with self._database.transaction(own.tenant) as connection:
            if await delete_totp(connection, own.account):
                await record(connection, own.entry(Action.FACTOR_REMOVED, factor=FACTOR))
                await tell_owner(connection, self._clock, own)

    async def remake_codes(self, own: Own, repeatable: SecretAttempt | None = None) -> NewCodes:
        """Return ten new recovery codes; those of before count no more.

        `Problem` conflict without an app, idempotency.mismatch.
        """
        codes = self._draw_codes(own, repeatable)
        return NewCodes(codes, await undone_once(lambda: self._remake_codes(own, codes, repeatable)))

    async def _remake_codes(self, own: Own, codes: list[str], repeatable: SecretAttempt | None) -> bool:
        """Have the codes count; return whether an earlier attempt did."""
        attempt = repeatable.attempt if repeatable is not None else None
        async with self._database.transaction(own.tenant) as connection:
            if await answered_before(connection, tenant=own.tenant, attempt=attempt) is not None:
                await _refuse_unless_current(connection, own, codes)
                return True
            row = await get_totp(connection, own.account)
            if row is None or not row.confirmed:
                raise Problem(Code.CONFLICT, "Recovery codes come with an authenticator app. Set one up first.")
            await _store_codes(connection, own, codes)
            await keep_or_undo(connection, tenant=own.tenant, attempt=attempt, made=own.account)
            await record(connection, own.entry(Action.RECOVERY_CODES_MADE))
        return False

    def _draw_secret(self, own: Own, repeatable: SecretAttempt | None) -> str:
        if repeatable is None:
            return pyotp.random_base32()
        return base64.b32encode(self._sealer.derive(SECRET_BYTES, repeatable.text, "totp", own.account)).decode()

    def _draw_codes(self, own: Own, repeatable: SecretAttempt | None) -> list[str]:
        if repeatable is None:
            drawn = secrets.token_bytes(CODES * CODE_BYTES)
        else:
            drawn = self._sealer.derive(CODES * CODE_BYTES, repeatable.text, "recovery_codes", own.account)
        return [spell_code(drawn[start : start + CODE_BYTES]) for start in range(0, len(drawn), CODE_BYTES)]

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


async def _refuse_unless_current(connection: Connection, own: Own, codes: list[str]) -> None:
    if not await has_recovery_codes(connection, own.account, hash_codes(codes)):
        raise superseded()


def _wrong() -> Problem:
    return Problem(Code.AUTH_TOTP_INVALID, "This code is wrong, too old or used. Wait for the next one and try again.")
