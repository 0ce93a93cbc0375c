"""What an API process remembers of images: read once for all who ask, believed for as long as it may be."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ImageRef, make_id
from tintype.reads import delivery
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords


class Reads(DeliveryRecords):
    """Records whose database is a function: it counts, and waits until it is let go."""

    def __init__(self, *, found: bool) -> None:
        super().__init__(cast("Any", None), cast("Any", None), cast("Any", None))
        self.reads = 0
        self.go = asyncio.Event()
        self._found = found
        self.hearing(True)

    async def _read(self, ref: ImageRef) -> DeliveryRecord:
        self.reads += 1
        await self.go.wait()
        if not self._found:
            raise Problem(Code.NOT_FOUND, "There is no such image.")
        image: Any = type("Image", (), {"id": ref.id, "ref": ref, "state": "ready"})()
        return DeliveryRecord(image, {})


def named(milliseconds: float | None = None) -> ImageRef:
    return ImageRef(make_id(int(milliseconds or time.time() * 1000), 5, 7), 9)


def run(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 10))


async def ask(records: Reads, ref: ImageRef) -> str:
    try:
        await records.get(ref)
    except Problem as problem:
        return problem.code
    return "found"


async def asked_at_once(records: Reads, ref: ImageRef, times: int) -> list[str]:
    asking = [asyncio.create_task(ask(records, ref)) for _ in range(times)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    records.go.set()
    return list(await asyncio.gather(*asking))


@pytest.mark.parametrize("found", [True, False])
def test_what_many_ask_for_at_once_is_read_once(
    found: bool,  # noqa: FBT001 -- a parameter of pytest's
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seconds in ("SHARED_SECONDS", "UNKNOWN_SECONDS"):
        monkeypatch.setattr(delivery, seconds, 60.0)  # however long a busy machine takes to ask 256 times

    async def story() -> None:
        records, ref = Reads(found=found), named()
        answers = await asked_at_once(records, ref, 256)
        assert set(answers) == {"found" if found else "not_found"}
        assert records.reads == 1
        assert await ask(records, ref) == answers[0]
        assert records.reads == 1

    run(story)


def test_an_image_that_its_upload_becomes_while_it_is_looked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    image = SimpleNamespace(id=1, sha256=b"", owner=None, kind="image", expires_at=None)
    looks: dict[str, list[Any]] = {
        "find_image_tenant": [(1, False)],
        "get_image": [None, image],
        "get_upload": [None],
        "list_variants": [()],
    }

    async def look(name: str, *_: object, **__: object) -> object:
        return looks[name].pop(0)

    async def no_kinds(_: int) -> dict[str, Any]:
        return {}

    async def story() -> None:
        for name in looks:
            monkeypatch.setattr(delivery, name, partial(look, name))
        database = SimpleNamespace(lookup=nullcontext, transaction=nullcontext)
        records = DeliveryRecords(cast("Any", database), cast("Any", None), no_kinds)
        assert (await records._read(named())).image is cast("Any", image)

    run(story)


def test_who_asks_after_a_change_was_heard_of_does_not_get_what_was_read_before() -> None:
    async def story() -> None:
        records, ref = Reads(found=True), named()
        early = asyncio.create_task(ask(records, ref))
        await asyncio.sleep(0.01)
        records.forget((ref.id,))
        late = asyncio.create_task(ask(records, ref))
        await asyncio.sleep(0.01)
        assert records.reads == 2
        records.go.set()
        assert [await early, await late] == ["found", "found"]

    run(story)


def test_a_read_that_takes_long_is_not_joined_by_those_who_may_know_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SHARED_SECONDS", 0.0)

    async def story() -> None:
        records, ref = Reads(found=True), named()
        early = asyncio.create_task(ask(records, ref))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(ask(records, ref))
        await asyncio.sleep(0.01)
        records.go.set()
        await asyncio.gather(early, late)
        assert records.reads == 2

    run(story)


def test_that_there_is_no_such_image_is_believed_for_a_moment_and_not_after_a_change() -> None:
    async def story() -> None:
        records, ref = Reads(found=False), named()
        records.go.set()
        for _ in range(3):
            assert await ask(records, ref) == "not_found"
        assert records.reads == 1
        records.forget((ref.id,))
        await ask(records, ref)
        assert records.reads == 2
        records._unknown[str(ref)] = (records._generation, time.monotonic() - delivery.UNKNOWN_SECONDS)
        await ask(records, ref)
        assert records.reads == 3

    run(story)


def test_a_process_that_hears_of_no_changes_does_not_remember_what_there_is_not() -> None:
    async def story() -> None:
        records, ref = Reads(found=False), named()
        records.go.set()
        records.hearing(False)
        for _ in range(3):
            assert await ask(records, ref) == "not_found"
        assert records.reads == 3

    run(story)


def test_what_there_is_not_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "UNKNOWN_NAMES", 10)

    async def story() -> None:
        records = Reads(found=False)
        records.go.set()
        for number in range(30):
            await ask(records, ImageRef(named().id, number))
        assert len(records._unknown) == 10
        assert records._reads == {}

    run(story)


def test_an_id_from_days_ahead_is_refused_without_a_look() -> None:
    async def story() -> None:
        records, now = Reads(found=True), time.time() * 1000
        records.go.set()
        assert await ask(records, named(now + 2 * delivery.AHEAD_MILLISECONDS)) == "not_found"
        assert records.reads == 0
        assert await ask(records, named(now + 2 * 3_600_000)) == "found"  # a node whose clock is two hours off

    run(story)


def test_everything_is_read_anew_once_changes_are_heard_of_again() -> None:
    async def story() -> None:
        records, ref = Reads(found=True), named()
        records.go.set()
        await ask(records, ref)
        assert records.remembered(str(ref)) is not None
        records.hearing(False)
        assert records.remembered(str(ref)) is not None  # deaf, but not for long
        records.hearing(True)
        assert records.remembered(str(ref)) is None
        await ask(records, ref)
        assert records.reads == 2

    run(story)


def test_what_is_remembered_is_believed_for_less_than_a_minute_by_who_hears_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        records, ref = Reads(found=True), named()
        records.go.set()
        await ask(records, ref)
        records.hearing(False)
        assert delivery.DEAF_SECONDS < 60
        later = time.monotonic() + delivery.DEAF_SECONDS + 0.1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert records.remembered(str(ref)) is None

    run(story)


def test_who_goes_away_stops_no_read_that_others_wait_for() -> None:
    async def story() -> None:
        records, ref = Reads(found=True), named()
        first, second = (asyncio.create_task(ask(records, ref)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        records.go.set()
        assert await second == "found"
        assert records.reads == 1

    run(story)
