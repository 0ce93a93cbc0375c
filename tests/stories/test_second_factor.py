"""The authenticator app: its codes by the clock, each once; recovery codes; guesses; a key that changes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import psycopg
import pyotp
import pytest

from factor_stories import TurnedClock, database_with_tenant, opened, somebody
from postgres import Server
from tintype.db.attempt_limits import AttemptLimits
from tintype.domain.attempt_limits import CODE
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import bucket_of
from tintype.domain.own_account import Own
from tintype.storage.sealing import Sealer
from tintype.usecases.reseal_secrets import ResealSecrets
from tintype.usecases.second_factor import STEP_SECONDS, SecondFactor

pytestmark = pytest.mark.anyio

OLD, NEW = b"an old server key of 32 bytes ...", b"a new server key of 32 bytes ...."

LIMITS = AttemptLimits(on=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Owner:
    """An account with an app that is set up."""

    factor: SecondFactor
    clock: TurnedClock
    url: str
    own: Own
    app: pyotp.TOTP
    recovery: list[str]

    def code(self, steps: int = 0) -> str:
        """Return the app's code of now, or of so many steps later."""
        return self.app.generate_otp(self.app.timecode(self.clock.now()) + steps)

    async def check(self, code: str | None) -> None:
        """Show the code."""
        await self.factor.check(self.own, code)

    async def refused(self, code: str | None) -> Code:
        """Show the code and return why it is refused."""
        with pytest.raises(Problem) as caught:
            await self.check(code)
        return caught.value.code

    def wait(self, steps: int) -> None:
        """Let the time of so many codes pass."""
        self.clock.ahead += steps * STEP_SECONDS


@pytest.fixture(scope="module")
def place(embedded_server: Server) -> tuple[str, int]:
    return database_with_tenant(embedded_server)


@pytest.fixture
async def owner(place: tuple[str, int]) -> AsyncIterator[Owner]:
    url, tenant = place
    async with opened(url) as database:
        clock = TurnedClock(database)
        factor, own = SecondFactor(database=database, clock=clock, sealer=Sealer(OLD), limits=LIMITS), somebody(tenant)
        enrolment = await factor.begin(own, name="ada")
        app = pyotp.parse_uri(enrolment.uri)
        assert isinstance(app, pyotp.TOTP)
        codes = (await factor.confirm(own, app.at(clock.now()))).codes
        clock.ahead = 3 * STEP_SECONDS
        yield Owner(factor, clock, url, own, app, codes)


async def test_a_code_is_accepted_with_one_step_of_skew_and_no_more(owner: Owner) -> None:
    assert await owner.refused(owner.code(-2)) is Code.AUTH_TOTP_INVALID
    assert await owner.refused(owner.code(2)) is Code.AUTH_TOTP_INVALID
    await owner.check(owner.code(-1))
    await owner.check(owner.code())
    await owner.check(owner.code(1))


async def test_a_code_is_accepted_once_and_none_that_is_older_than_the_last(owner: Owner) -> None:
    await owner.check(owner.code())
    assert await owner.refused(owner.code()) is Code.AUTH_TOTP_INVALID
    assert await owner.refused(owner.code(-1)) is Code.AUTH_TOTP_INVALID
    owner.wait(1)
    await owner.check(owner.code())


async def test_without_a_code_one_is_asked_for(owner: Owner) -> None:
    assert await owner.refused(None) is Code.AUTH_TOTP_REQUIRED
    assert await owner.refused("") is Code.AUTH_TOTP_REQUIRED


async def test_each_recovery_code_works_once(owner: Owner) -> None:
    assert len(set(owner.recovery)) == 10
    for code in owner.recovery[:2]:
        await owner.check(code.upper())
        assert await owner.refused(code) is Code.AUTH_TOTP_INVALID
    status = await owner.factor.status(owner.own)
    assert (status.on, status.recovery_codes) == (True, 8)


async def test_codes_that_were_remade_take_the_place_of_all_others(owner: Owner) -> None:
    remade = (await owner.factor.remake_codes(owner.own)).codes
    assert await owner.refused(owner.recovery[0]) is Code.AUTH_TOTP_INVALID
    await owner.check(remade[0])


async def test_guesses_run_out_and_a_recovery_code_still_gets_in(owner: Owner) -> None:
    wrong = f"{(int(owner.code()) + 5) % 1_000_000:06}"
    answers = [await owner.refused(wrong) for _ in range(int(CODE.burst) + 1)]
    assert answers == [Code.AUTH_TOTP_INVALID] * int(CODE.burst) + [Code.RATE_LIMITED]
    assert await owner.refused(owner.code()) is Code.RATE_LIMITED
    await owner.check(owner.recovery[0])


async def test_right_codes_are_not_counted(owner: Owner) -> None:
    for _ in range(int(CODE.burst) + 2):
        await owner.check(owner.code())
        owner.wait(1)


@pytest.mark.parametrize("code", ["000 00", "abcdef", "\0", "１２３４５６", "9" * 500, "-1", "1e5", "0x1234"])
async def test_what_is_no_code_at_all_is_wrong(owner: Owner, code: str) -> None:
    assert await owner.refused(code) is Code.AUTH_TOTP_INVALID


async def test_an_app_is_asked_for_only_once_it_was_confirmed(owner: Owner) -> None:
    other = somebody(owner.own.tenant)
    enrolment = await owner.factor.begin(other, name="grace")
    await owner.factor.check(other, None)
    again = await owner.factor.begin(other, name="grace")
    assert enrolment.secret != again.secret
    with pytest.raises(Problem, match="not of the app"):
        await owner.factor.confirm(other, pyotp.TOTP(enrolment.secret).at(owner.clock.now()))


async def test_a_second_app_is_refused_until_the_first_is_turned_off(owner: Owner) -> None:
    with pytest.raises(Problem, match="already"):
        await owner.factor.begin(owner.own, name="ada")
    await owner.factor.turn_off(owner.own)
    await owner.check(None)
    assert not (await owner.factor.status(owner.own)).on
    await owner.factor.begin(owner.own, name="ada")


async def test_after_a_change_of_the_server_key_a_code_works_and_the_secret_is_sealed_anew(owner: Owner) -> None:
    async with opened(owner.url) as database:
        clock = TurnedClock(database)
        clock.ahead = owner.clock.ahead
        rotated = replace(owner, clock=clock)
        rotated.factor = SecondFactor(database=database, clock=clock, sealer=Sealer(NEW, OLD), limits=LIMITS)
        await rotated.check(owner.code())
        rotated.factor = SecondFactor(database=database, clock=clock, sealer=Sealer(NEW), limits=LIMITS)
        rotated.wait(1)
        await rotated.check(rotated.code())


async def test_with_a_server_key_that_is_lost_recovery_codes_work(owner: Owner) -> None:
    async with opened(owner.url) as database:
        owner.factor = SecondFactor(database=database, clock=owner.clock, sealer=Sealer(NEW), limits=LIMITS)
        assert await owner.refused(owner.code()) is Code.INTERNAL
        await owner.check(owner.recovery[0])


async def test_neither_the_secret_nor_a_recovery_code_lies_in_the_database(owner: Owner) -> None:
    with psycopg.connect(owner.url, options="-c search_path=tintype") as connection:
        stored = connection.execute("SELECT t::text FROM totp t UNION ALL SELECT r::text FROM recovery_codes r")
        rows = " ".join(row[0] for row in stored)
    for secret in (owner.app.secret, *(code.replace("-", "") for code in owner.recovery)):
        assert secret not in rows
        assert secret.encode().hex() not in rows


async def test_a_secret_that_was_copied_into_another_account_s_row_does_not_open(owner: Owner) -> None:
    other = somebody(owner.own.tenant)
    with psycopg.connect(owner.url, options="-c search_path=tintype") as connection:
        connection.execute(
            "INSERT INTO totp SELECT %s, %s, tenant, secret, 0, now() FROM totp WHERE account = %s",
            [bucket_of(other.account), other.account, owner.own.account],
        )
    owner.own = other
    assert await owner.refused(owner.code()) is Code.INTERNAL


async def test_the_audit_log_tells_what_became_of_a_factor(owner: Owner) -> None:
    await owner.refused("000000" if owner.code() != "000000" else "000001")
    await owner.check(owner.recovery[0])
    await owner.factor.remake_codes(owner.own)
    await owner.factor.turn_off(owner.own)
    with psycopg.connect(owner.url, options="-c search_path=tintype") as connection:
        told = connection.execute(
            "SELECT action, result FROM audit_log WHERE account = %s ORDER BY id", [owner.own.account]
        ).fetchall()
    assert told == [
        ("factor.added", "done"),
        ("factor.failed", "refused"),
        ("factor.recovery_code_used", "done"),
        ("factor.recovery_codes_made", "done"),
        ("factor.removed", "done"),
    ]


async def test_after_a_change_of_the_server_key_everything_is_sealed_anew_and_the_old_key_can_go(owner: Owner) -> None:
    place, tenant = "signing_keys", owner.own.tenant
    with psycopg.connect(owner.url, options="-c search_path=tintype") as connection:
        connection.execute("DELETE FROM totp WHERE account <> %s", [owner.own.account])
        for kid, sealer in (("old00001", Sealer(OLD)), ("lost0001", Sealer(b"a key that nobody has any more"))):
            connection.execute(
                "INSERT INTO signing_keys (tenant, kid, state, secret) VALUES (%s, %s, %s, %s)",
                [tenant, kid, "signing" if kid == "old00001" else "verifying", sealer.seal(b"key", place, tenant, kid)],
            )
        old, rotated = (Sealer(OLD).seal(secret, "webhooks", tenant, 7) for secret in (b"before", b"now"))
        connection.execute(
            """INSERT INTO webhooks (tenant, id, url, events, secret, old_secret, old_secret_until)
               VALUES (%s, 7, 'https://a.example/', '{*}', %s, %s, now())""",
            [tenant, rotated, old],
        )
    async with opened(owner.url) as database:
        reseal = ResealSecrets(database=database, sealer=Sealer(NEW, OLD))
        report = await reseal()
        assert report == {"resealed": 4, "unreadable": 1}
        assert await reseal() == {"resealed": 0, "unreadable": 1}
        owner.factor = SecondFactor(database=database, clock=owner.clock, sealer=Sealer(NEW), limits=LIMITS)
        await owner.check(owner.code())
    with psycopg.connect(owner.url, options="-c search_path=tintype") as connection:
        row = connection.execute("SELECT secret FROM signing_keys WHERE kid = 'old00001'").fetchone()
        hook = connection.execute("SELECT secret, old_secret FROM webhooks WHERE id = 7").fetchone()
    assert row is not None
    assert Sealer(NEW).open(row[0], place, tenant, "old00001") == b"key"
    assert hook is not None
    assert [Sealer(NEW).open(secret, "webhooks", tenant, 7) for secret in hook] == [b"now", b"before"]
