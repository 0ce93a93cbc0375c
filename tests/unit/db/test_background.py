"""How a task that goes on for ever is ended."""

import asyncio

import pytest

from tintype.db.background import end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_task_that_loses_a_cancellation_in_an_error_of_its_own_ends_all_the_same() -> None:
    lost = 0

    async def go_on() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    assert lost == 3


async def test_a_task_that_failed_has_ended() -> None:
    async def fail() -> None:
        raise LookupError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), LookupError)
