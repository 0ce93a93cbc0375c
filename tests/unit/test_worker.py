import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tintype import worker as worker_module
from tintype.db.pool import DatabaseConfig
from tintype.telemetry.metrics import resident_bytes
from tintype.worker import Stories, Worker, WorkerConfig


class Clock:
    """A database clock that needs no correction."""

    async def refresh(self) -> None:
        """Measure nothing."""


class Periodic:
    """Nothing that is ever due."""

    def __init__(self) -> None:
        self.tasks: dict[str, object] = {}

    async def enqueue_due(self) -> tuple[str, ...]:
        """Find nothing."""
        return ()


def worker(measure: Callable[[], None]) -> Worker:
    nothing: Any = None
    return Worker(
        database=DatabaseConfig("postgresql://nowhere"),
        clock=cast("Any", Clock()),
        config=WorkerConfig(concurrency=1, retry_seconds=1.0),
        stories=Stories(
            make_variants=nothing,
            purge_image=nothing,
            prove_purge=nothing,
            dead_letters=nothing,
            periodic=cast("Any", Periodic()),
        ),
        metrics=nothing,
        measure=measure,
    )


def rounds(sweeper: Worker, monkeypatch: pytest.MonkeyPatch, *, fails: Exception | None) -> int:
    """Return how many sweeps were begun until the third, when each fails."""
    begun = 0

    async def sweep() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            raise asyncio.CancelledError
        if fails is not None:
            raise fails

    monkeypatch.setattr(sweeper, "sweep", sweep)
    monkeypatch.setattr(worker_module, "SWEEP_SECONDS", 0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(sweeper._sweep_for_ever(), timeout=5))
    return begun


def test_a_round_of_the_sweep_that_fails_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rounds(worker(measure=lambda: None), monkeypatch, fails=RuntimeError("a row that nobody foresaw")) == 3


def test_a_measurement_that_fails_leaves_the_sweep_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure() -> None:
        raise ProcessLookupError("the decoder ended")

    assert rounds(worker(measure), monkeypatch, fails=None) == 3


def test_a_job_that_cannot_be_taken_over_does_not_hold_up_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [SimpleNamespace(id=number, task_name="process_image", attempts=0) for number in (1, 2)]
    taken: list[int] = []

    async def stalled(**_: object) -> list[SimpleNamespace]:
        return jobs

    async def take_over(job: SimpleNamespace) -> None:
        if job.id == 1:
            raise KeyError("tenant")
        taken.append(job.id)

    sweeper = worker(measure=lambda: None)
    monkeypatch.setattr(sweeper._app.job_manager, "get_stalled_jobs", stalled)
    monkeypatch.setattr(sweeper, "_take_over", take_over)
    asyncio.run(sweeper.sweep())
    assert taken == [2]


def test_a_process_that_ends_while_it_is_measured_has_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_text(_: Path) -> str:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(Path, "read_text", read_text)
    assert resident_bytes(1) == 0
