"""Whatever process is killed, whenever: what was acknowledged stays, what was deleted stays away.

Clients upload, look and delete while processes of every sort are killed in turn. The control does the same to a product
that was broken on purpose, and must find losses: else the test above it proves nothing.
"""

import os
import random
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from audit import Violations, audit, settle, verify
from killing import API_PROCESS, ROLES, WORKER, Restartable, kill_in_turn, restartable
from quick_respawn import QUICK_RESPAWN
from sabotage import sabotaged
from uploading import Ledger, uploading

PROCESSES: Final = ("--api-processes", "2", "--workers", "2", "--renderers", "1")
CLIENTS: Final = 4
KILLS: Final = 12
PAUSE: Final = (0.2, 1.6)
"""Seconds between two kills: some hit what has not come back, some what has caught up."""

SETTLE_SECONDS: Final = 60.0
"""10 s until a worker is taken for dead, 5 s until the next sweep, up to 16 s until the next attempt; a slow core."""

ANSWERS: Final = {
    *("POST 201", "POST 200", "POST 503", "PUT 200", "PUT 503", "DELETE 204", "DELETE 503"),
    *("GET 200", "GET 202", "GET 302", "GET 503", "GET 404", "GET 410"),
}
"""What a client may be told meanwhile: done, elsewhere, thrown away, gone or come again. Never 500."""

MANY_KILLS: Final = int(os.environ.get("TINTYPE_TEST_KILLS", "100"))
"""More by hand: some five in a second."""

MANY_ROLES: Final = (*(API_PROCESS, "renderer", API_PROCESS, API_PROCESS, WORKER) * 2, API_PROCESS, "postgres")
SHORT_PAUSE: Final = (0.02, 0.3)
FEW_KILLS: Final = 12
CONTROL_PAUSE: Final = (0.3, 0.9)
"""Less than the two seconds by which a broken product is late: whatever it says is overtaken by a kill."""


BYTES_LATER: Final = """
    import threading, time
    from tintype.adapters.blobs_local import LocalBlobStore

    async def put(self, key, chunks, *, size, sha256, **_):
        data = b"".join(map(bytes, chunks()))

        def write():
            time.sleep(2)
            self._directory.put(key, lambda: [data], size=size, sha256=sha256)

        threading.Thread(target=write, daemon=True).start()
        return True

    LocalBlobStore.put = put
"""
"""A store that says "done" and writes two seconds later."""

ROWS_LATER: Final = """
    import asyncio
    from tintype.usecases.upload_image import UploadImage
    commit, tasks = UploadImage._commit, set()

    async def answer_first(self, accepted, *rest):
        async def later():
            await asyncio.sleep(2)
            await commit(self, accepted, *rest)

        tasks.add(asyncio.create_task(later()))
        return accepted

    UploadImage._commit = answer_first
"""
"""An upload that is acknowledged two seconds before its transaction."""


@pytest.mark.timeout(240)
def test_killing_every_sort_of_process_under_load_loses_nothing_that_was_acknowledged(passable_tmp_path: Path) -> None:
    ledger = Ledger()
    with restartable(passable_tmp_path / "data", *PROCESSES) as target:
        trial = kill_under_load(target, ledger, roles=ROLES, kills=KILLS, settle_seconds=SETTLE_SECONDS)
    assert trial.settled
    assert trial.violations == {}
    assert trial.verification == []
    assert not {answer for answer in ledger.answers if answer[-3:].isdecimal()} - ANSWERS
    assert len(ledger.acknowledged) > KILLS


@pytest.mark.timeout(240 + 2 * MANY_KILLS)
def test_a_hundred_kills_that_nobody_has_time_to_recover_from_lose_nothing(passable_tmp_path: Path) -> None:
    ledger, environment = Ledger(), sabotaged(passable_tmp_path / "quick", QUICK_RESPAWN)
    with restartable(passable_tmp_path / "data", *PROCESSES, environment=environment) as target:
        trial = kill_under_load(
            target, ledger, roles=MANY_ROLES, kills=MANY_KILLS, pause=SHORT_PAUSE, settle_seconds=SETTLE_SECONDS
        )
    assert trial.settled
    assert trial.violations == {}
    assert trial.verification == []
    assert not {answer for answer in ledger.answers if answer[-3:].isdecimal()} - ANSWERS


@pytest.mark.timeout(120)
@pytest.mark.parametrize("code", [BYTES_LATER, ROWS_LATER], ids=["bytes later", "rows later"])
def test_a_product_that_acknowledges_too_early_is_caught_losing_images(passable_tmp_path: Path, code: str) -> None:
    environment = sabotaged(passable_tmp_path / "broken", QUICK_RESPAWN + code)
    with restartable(passable_tmp_path / "data", *PROCESSES, environment=environment) as target:
        trial = kill_under_load(
            target, Ledger(), roles=(API_PROCESS,), kills=FEW_KILLS, pause=CONTROL_PAUSE, settle_seconds=3
        )
    assert trial.violations.keys() & {"lost", "half"}


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    settled: bool
    violations: Violations
    verification: list[str]


def kill_under_load(
    target: Restartable,
    ledger: Ledger,
    *,
    roles: tuple[str, ...],
    kills: int,
    settle_seconds: float,
    pause: tuple[float, float] = PAUSE,
) -> Trial:
    """Kill so many processes while clients are at work, let the product settle, and say what is wrong then."""
    product, seed = target.product, secrets.randbelow(10**6)
    with uploading(product.base_url, product.api_key, clients=CLIENTS, seed=seed, ledger=ledger):
        done = kill_in_turn(target, roles=roles, kills=kills, pause=pause, dice=random.Random(seed))
    product = target.product
    trial = Trial(settle(product, within=settle_seconds), audit(product, ledger), verify(product))
    stalled = target.product.log.read_text().count('"job_stalled"')
    lines = [
        f"seed {seed}: {done.total()} kills: {', '.join(f'{count} {role}' for role, count in done.items())}",
        f"{len(ledger.acknowledged)} images acknowledged of {ledger.sent.total()} sent, {len(ledger.deleted)} purged",
        f"{len(ledger.trashed)} in the trash, {len(ledger.doubtful)} in doubt",
        f"{stalled} jobs taken over, {len(trial.violations.get('lost', []))} lost; answers: {dict(ledger.answers)}",
        *(f"{kind} ({len(found)}): {', '.join(found[:3])}" for kind, found in trial.violations.items()),
    ]
    print("", *lines, sep="\n")  # noqa: T201 -- a fault test says its trials
    assert done.total() == kills
    return trial
