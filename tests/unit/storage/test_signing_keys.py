"""The keys that are remembered: which can be opened, for how long they are believed, and what while nobody answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tintype.db.signing_keys import SigningKeyRow
from tintype.domain.errors import Code, Problem
from tintype.domain.signing import KeyState
from tintype.storage import signing_keys
from tintype.storage.sealing import Sealer
from tintype.storage.signing_keys import SigningKeys

SEALER = Sealer(b"a server key of thirty-two bytes")
TENANT = 7


def row(kid: str, sealer: Sealer = SEALER) -> SigningKeyRow:
    sealed = sealer.seal(kid.encode() * 4, "signing_keys", TENANT, kid)
    return SigningKeyRow(kid, KeyState.SIGNING, datetime.now(UTC), sealed)


class Rows:
    """Stands where the database is, with these keys; counts how often it is asked, and may be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rows: SigningKeyRow) -> None:
        self.rows = rows
        self.asked = 0
        self.away = False
        monkeypatch.setattr(signing_keys, "list_signing_keys", self._list)

    @asynccontextmanager
    async def transaction(self, _tenant: int) -> AsyncIterator[None]:
        """Give a transaction."""
        self.asked += 1
        if self.away:
            raise Problem(Code.UNAVAILABLE, "The database is away.")
        yield None

    async def _list(self, _connection: object, *, tenant: int) -> tuple[SigningKeyRow, ...]:
        assert tenant == TENANT
        return self.rows


class Later:
    """Stands where the clock is, some seconds ahead; the event loop has the real one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def monotonic(self) -> float:
        """Return the seconds of the clock."""
        return time.monotonic() + self._seconds


def keys_of(rows: Rows, sealer: Sealer = SEALER) -> SigningKeys:
    return SigningKeys(cast("Any", rows), sealer)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(story(), 10)

    asyncio.run(bounded())


def test_what_many_ask_for_at_once_is_read_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rows = Rows(monkeypatch, row("aaaaaaaa"))
        keys = keys_of(rows)
        assert keys.remembered(TENANT, "aaaaaaaa") is None
        found = await asyncio.gather(*(keys.find(TENANT, "aaaaaaaa") for _ in range(50)))
        assert {key.kid for key in found if key is not None} == {"aaaaaaaa"}
        assert keys.remembered(TENANT, "aaaaaaaa") == found[0]
        assert rows.asked == 1

    run(story)


def test_a_key_that_is_not_known_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rows = Rows(monkeypatch, row("aaaaaaaa"))
        keys = keys_of(rows)
        assert await keys.find(TENANT, "bbbbbbbb") is None
        rows.rows = (row("bbbbbbbb"), row("aaaaaaaa"))
        assert await keys.find(TENANT, "bbbbbbbb") is not None

    run(story)


def test_a_key_that_was_retired_is_forgotten_after_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rows = Rows(monkeypatch, row("aaaaaaaa"))
        keys = keys_of(rows)
        await keys.find(TENANT, "aaaaaaaa")
        rows.rows = ()
        monkeypatch.setattr(signing_keys, "time", Later(signing_keys.BELIEVED_SECONDS))
        assert keys.remembered(TENANT, "aaaaaaaa") is None
        assert await keys.find(TENANT, "aaaaaaaa") is None

    run(story)


def test_keys_are_believed_while_the_database_is_away_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rows = Rows(monkeypatch, row("aaaaaaaa"))
        keys = keys_of(rows)
        await keys.find(TENANT, "aaaaaaaa")
        rows.away = True
        monkeypatch.setattr(signing_keys, "time", Later(signing_keys.AWAY_SECONDS / 2))
        assert await keys.find(TENANT, "aaaaaaaa") is not None
        assert keys.remembered(TENANT, "aaaaaaaa") is not None
        monkeypatch.setattr(signing_keys, "time", Later(signing_keys.AWAY_SECONDS + 1))
        with pytest.raises(Problem) as caught:
            await keys.find(TENANT, "aaaaaaaa")
        assert caught.value.code is Code.UNAVAILABLE

    run(story)


def test_a_key_under_another_server_key_verifies_nothing_and_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        lost = row("aaaaaaaa", Sealer(b"a server key that somebody lost."))
        keys = keys_of(Rows(monkeypatch, lost, row("bbbbbbbb")))
        assert await keys.find(TENANT, "aaaaaaaa") is None
        assert await keys.find(TENANT, "bbbbbbbb") is not None
        with pytest.raises(Problem, match="operator"):
            keys.opened(TENANT, lost)

    run(story)
