"""Hashing: the parameters that OWASP names, in threads, so many at once and no more."""

import asyncio
import time

import anyio
import argon2
import pytest

from tintype.adapters.passwords_argon2 import Argon2Hasher, Argon2Parameters, HashingLimits
from tintype.domain.errors import Code, Problem

CHEAP = Argon2Parameters(memory_kib=64, passes=1)


def test_a_hash_has_the_parameters_of_owasp_and_knows_its_password_alone() -> None:
    async def story() -> None:
        hasher = Argon2Hasher(HashingLimits())
        stored = await hasher.hash("teapots sing")
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        right, wrong, nobody = [
            await hasher.check("teapots sing", stored),
            await hasher.check("teapots song", stored),
            await hasher.check("teapots sing", None),
        ]
        assert (right.matches, right.outdated, wrong.matches, nobody.matches) == (True, False, False, False)
        hasher.close()

    anyio.run(story)


def test_nobodys_password_is_checked_against_a_decoy_of_the_same_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def verify(_hasher: object, stored: str, _password: str) -> bool:
        checked.append(stored)
        return True  # whoever finds the decoy's password finds nobody

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)

    async def story() -> None:
        hasher = Argon2Hasher(HashingLimits())
        assert not (await hasher.check("teapots sing", None)).matches
        hasher.close()

    anyio.run(story)
    assert [stored.rsplit("$", 2)[0] for stored in checked] == ["$argon2id$v=19$m=19456,t=2,p=1"]


def test_a_weaker_hash_is_outdated_and_a_broken_one_matches_nothing() -> None:
    async def story() -> None:
        weak, hasher = Argon2Hasher(HashingLimits(), CHEAP), Argon2Hasher(HashingLimits())
        checked = await hasher.check("teapots sing", await weak.hash("teapots sing"))
        assert (checked.matches, checked.outdated) == (True, True)
        assert not (await hasher.check("teapots sing", "$argon2id$nonsense")).matches

    anyio.run(story)


def test_beyond_the_limit_others_are_told_to_come_again_and_the_loop_goes_on() -> None:
    async def story() -> None:
        hasher = Argon2Hasher(HashingLimits(threads=1, waiting=2))
        under_way = [asyncio.ensure_future(hasher.hash(f"password {number}")) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await hasher.hash("one too many")
        assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 2)
        longest, before = 0.0, time.monotonic()
        while not all(future.done() for future in under_way):
            await asyncio.sleep(0.001)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        assert longest < 1.0  # generous: the bench holds it to 20 ms
        await hasher.hash("there is room again")

    anyio.run(story)


def test_a_request_that_is_gone_holds_its_place_until_its_hash_is_done() -> None:
    async def story() -> None:
        hasher = Argon2Hasher(HashingLimits(threads=1, waiting=0))
        gone = asyncio.ensure_future(hasher.hash("somebody who left"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(Problem):
            await hasher.hash("the next one")
        await asyncio.to_thread(hasher._threads.shutdown, wait=True)
        await asyncio.sleep(0)  # the loop hears of it
        assert hasher._under_way == 0

    anyio.run(story)
