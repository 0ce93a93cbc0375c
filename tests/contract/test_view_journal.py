import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import pytest

from tintype.adapters.view_journal import MOST_SEALED, RECORDS, MappedViewJournal
from tintype.ports.view_journal import ViewBatch

T = TypeVar("T")
TENANT: Final = 5
DAY: Final = 20_000


def with_journal(directory: Path, use: Callable[[MappedViewJournal], Awaitable[T]]) -> T:
    """Return what comes of using a journal in the directory, closed in the end."""

    async def run() -> T:
        journal = MappedViewJournal(directory)
        await journal.open()
        try:
            return await use(journal)
        finally:
            await journal.close()

    return asyncio.run(run())


def totals(batches: Sequence[ViewBatch]) -> dict[tuple[int, int], int]:
    found: Counter[tuple[int, int]] = Counter()
    for batch in batches:
        for count in batch.counts:
            assert count.tenant == TENANT
            found[count.image, count.day] += count.views
    return dict(found)


async def drain(journal: MappedViewJournal) -> dict[tuple[int, int], int]:
    batches = [batch for batch in await journal.batches() if batch.counts]
    for batch in await journal.batches():
        await journal.discard(batch)
    return totals(batches)


def test_what_was_counted_comes_out_once(tmp_path: Path) -> None:
    async def use(journal: MappedViewJournal) -> None:
        for image, views in ((1, 3), (2, 1), (3, 500)):
            assert all(journal.count(TENANT, image, DAY) for _ in range(views))
        journal.count(TENANT, 1, DAY + 1)
        journal.count(TENANT, 1, DAY)  # a clock that was set back
        assert await drain(journal) == {(1, DAY): 4, (2, DAY): 1, (3, DAY): 500, (1, DAY + 1): 1}
        assert await drain(journal) == {}

    with_journal(tmp_path, use)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_could_not_be_added_keeps_its_name_and_its_counts(tmp_path: Path) -> None:
    async def use(journal: MappedViewJournal) -> None:
        journal.count(TENANT, 1, DAY)
        [first] = await journal.batches()
        journal.count(TENANT, 1, DAY)
        assert list(await journal.batches()) == [first]
        await journal.discard(first)
        [second] = await journal.batches()
        assert second.id != first.id
        assert totals([second]) == {(1, DAY): 1}

    with_journal(tmp_path, use)


def test_more_images_than_a_batch_has_room_for_go_into_the_next(tmp_path: Path) -> None:
    async def use(journal: MappedViewJournal) -> None:
        images = range(1, 2 * RECORDS)
        assert all(journal.count(TENANT, image, DAY) for image in images)
        assert await drain(journal) == dict.fromkeys([(image, DAY) for image in images[:RECORDS]], 1)
        assert await drain(journal) == dict.fromkeys([(image, DAY) for image in images[RECORDS:]], 1)

    with_journal(tmp_path, use)


def test_a_journal_that_nobody_empties_says_when_it_is_full(tmp_path: Path) -> None:
    async def use(journal: MappedViewJournal) -> int:
        for batch in range(MOST_SEALED + 10):
            for image in range(RECORDS):
                if not journal.count(TENANT, 1 + batch * RECORDS + image, DAY):
                    return batch
            journal._spare = journal._current if len(journal._sealed) >= MOST_SEALED else journal._new()
        return MOST_SEALED + 10

    assert with_journal(tmp_path, use) <= MOST_SEALED + 1


COUNT_AND_WAIT: Final = f"""
import asyncio, sys, time
from pathlib import Path
from tintype.adapters.view_journal import MappedViewJournal
journal = MappedViewJournal(Path(sys.argv[1]))
asyncio.run(journal.open())
for _ in range(1234):
    journal.count({TENANT}, 7, {DAY})
print("counted", flush=True)
time.sleep(60)
"""


def test_a_process_that_is_killed_loses_nothing_and_another_gives_it_out(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", COUNT_AND_WAIT, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"counted\n"

        async def use(journal: MappedViewJournal) -> dict[tuple[int, int], int]:
            assert await drain(journal) == {}  # it lives, and what it counts is its own
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return await drain(journal)

        assert with_journal(tmp_path, use) == {(7, DAY): 1234}
    assert list(tmp_path.iterdir()) == []


def test_two_that_find_what_was_left_do_not_both_take_it(tmp_path: Path) -> None:
    async def leave(journal: MappedViewJournal) -> None:
        journal.count(TENANT, 7, DAY)

    async def take() -> list[dict[tuple[int, int], int]]:
        journals = [MappedViewJournal(tmp_path) for _ in range(2)]
        for journal in journals:
            await journal.open()
        found = [totals(await journal.batches()) for journal in journals]
        for journal in journals:
            await journal.close()
        return found

    with_journal(tmp_path, leave)
    assert sorted(map(len, asyncio.run(take()))) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\0" * 4096])
def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{'0' * 32}.views").write_bytes(content)
    (tmp_path / "notes.views").write_bytes(content)

    async def use(journal: MappedViewJournal) -> dict[tuple[int, int], int]:
        return await drain(journal)

    assert with_journal(tmp_path, use) == {}
    assert len(list(tmp_path.iterdir())) == 2


def test_where_no_file_can_be_made_views_are_counted_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def use(journal: MappedViewJournal) -> dict[tuple[int, int], int]:
        journal.count(TENANT, 1, DAY)
        return await drain(journal)

    assert with_journal(tmp_path / "file" / "views", use) == {(1, DAY): 1}


def test_a_file_that_somebody_was_killed_while_making_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / f"{'1' * 32}.new", tmp_path / f"{'2' * 32}.new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))

    async def use(journal: MappedViewJournal) -> dict[tuple[int, int], int]:
        return await drain(journal)

    assert with_journal(tmp_path, use) == {}
    assert list(tmp_path.iterdir()) == [new]
