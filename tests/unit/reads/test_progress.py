import asyncio
import time
from typing import Any, Final, cast

import pytest

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.errors import Problem
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords
from tintype.reads.progress import LOOK_SECONDS, Progress, Told

IMAGE: Final = 7
UNCHANGED: Final = cast("DeliveryRecord", object())
AT_ONCE: Final = LOOK_SECONDS / 5


def hearing_records() -> DeliveryRecords:
    database = Database(DatabaseConfig("postgresql://nowhere/x"))
    records = DeliveryRecords(database, DatabaseClock(database), cast("Any", None))
    records.hearing(True)
    return records


def test_a_change_while_the_image_is_read_is_looked_at_at_once() -> None:
    async def follow() -> float:
        records = hearing_records()
        progress = Progress(records, places=1, places_per_image=1)
        looks = 0

        async def look() -> DeliveryRecord:
            nonlocal looks
            looks += 1
            if looks == 1:
                records.forget((IMAGE,))  # it changes after it was read, before anybody waits
            return UNCHANGED

        with progress.place(IMAGE) as follower:
            await look()
            started = time.monotonic()
            async for _ in progress.follow(follower, look):
                return time.monotonic() - started
        raise AssertionError

    assert asyncio.run(follow()) < AT_ONCE


def test_what_changed_while_nothing_was_heard_is_looked_at_on_the_return() -> None:
    async def follow() -> float:
        records = hearing_records()
        with records.changes(IMAGE) as changed:
            records.hearing(False)
            records.hearing(True)
            started = time.monotonic()
            await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
            return time.monotonic() - started

    assert asyncio.run(follow()) < AT_ONCE


def test_nothing_is_left_of_those_who_followed_and_nobody_more_than_there_are_places() -> None:
    async def follow() -> tuple[dict[Any, Any], list[int]]:
        records = hearing_records()
        counts: list[int] = []
        progress = Progress(records, places=3, places_per_image=2, measure=counts.append)
        with progress.place(1), progress.place(1), pytest.raises(Problem), progress.place(1):
            pass
        with progress.place(1), progress.place(2), progress.place(3), pytest.raises(Problem), progress.place(4):
            pass
        with progress.place(1), progress.place(1), progress.place(2):
            pass
        return records._watchers, counts

    watchers, counts = asyncio.run(follow())
    assert watchers == {}
    assert (max(counts), counts[-1]) == (3, 0)


def test_a_process_that_ends_lets_everybody_go_and_nobody_in() -> None:
    async def follow() -> list[DeliveryRecord | None]:
        progress = Progress(hearing_records(), places=3, places_per_image=3)

        async def look() -> DeliveryRecord:
            return UNCHANGED

        with progress.place(1) as follower:
            asyncio.get_running_loop().call_soon(progress.end_all)
            seen = [each async for each in progress.follow(follower, look)]
        with pytest.raises(Problem), progress.place(1):
            pass
        return seen

    assert asyncio.run(follow()) == []


def test_the_id_of_an_event_comes_back_as_it_went_and_nothing_else_is_one() -> None:
    for told in (Told(1), Told(3, 12, 0b1011), Told(999_999_999, 1, 1 << 200)):
        assert Told.parse(str(told)) == told
    for text in ("", "1", "1.2", "1.2.x", "-1.2.3", "1.2.3.4", "1" * 10 + ".1.1", "١.1.1"):
        assert Told.parse(text) is None
