"""API processes and workers that are killed between the steps of an upload: what was answered holds, the rest repeats.

Each kill is at a point of the story itself, so that none is missed and each costs one restart. The client does what any
does that hears nothing: it asks again.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import samples
from killing import API_PROCESS, started
from postgres import passable_directory
from product import Product, eventually, start_product
from quick_respawn import QUICK_RESPAWN
from raw_http import connect
from reserving import UPLOADS, look, number, reserve, staged
from sabotage import sabotaged
from tintype.domain.invariant import Invariant
from upkeep import collect, verified

ANSWERED_SECONDS: Final = 20.0

KILLED_AT_POINTS: Final = """
    import os, pathlib, signal
    from tintype.storage.staged_uploads import StagedUploads
    from tintype.usecases import complete_upload, examine_upload, receive_part

    ARMED = pathlib.Path(os.environ["ARMED"])

    def reach(point):
        if ARMED.exists() and ARMED.read_text() == point:
            ARMED.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(owner, name):
        plain = getattr(owner, name)

        async def watched(*arguments, **named):
            reach(f"before {name}")
            result = await plain(*arguments, **named)
            reach(f"after {name}")
            return result

        setattr(owner, name, watched)

    for owner, name in (
        (StagedUploads, "store"),
        (StagedUploads, "record"),
        (StagedUploads, "clear"),
        (complete_upload, "mark_received"),
        (complete_upload.CompleteUpload, "__call__"),
        (examine_upload, "commit_image"),
        (examine_upload.ExamineUpload, "_commit"),
    ):
        watch(owner, name)

    examine = examine_upload.ExamineUpload._examine

    async def clear_first(self, upload, parts):
        if ARMED.exists() and ARMED.read_text() == "cleared first":
            await self._staged.clear(upload)
            reach("cleared first")
        return await examine(self, upload, parts)

    examine_upload.ExamineUpload._examine = clear_first
"""

POINTS: Final = (
    "after store",  # stored, nobody's
    "after record",  # recorded, not committed
    "after mark_received",  # enqueued, not committed
    "after __call__",  # complete, not answered
    "after commit_image",  # the job's rows are written, not committed
    "after _commit",  # an image, and what was staged is left
)


@pytest.fixture(scope="module")
def armed() -> Iterator[Path]:
    with passable_directory() as directory:
        yield directory / "armed"


@pytest.fixture(scope="module")
def product(armed: Path) -> Iterator[Product]:
    with passable_directory() as directory:
        environment = {**sabotaged(directory / "broken", QUICK_RESPAWN + KILLED_AT_POINTS), "ARMED": str(armed)}
        counts = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
        with start_product(directory / "data", *counts, environment=environment) as running:
            yield running


def persistently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the answer, however often the connection breaks before there is one."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        try:
            answers.append(ask())
        except httpx.TransportError:
            return False
        return answers[-1].status_code < 500

    assert eventually(is_answered, within=ANSWERED_SECONDS)
    return answers[-1]


def sent(product: Product, reserved: dict[str, Any], data: bytes) -> httpx.Response:
    """Send the bytes and complete, asking again whenever nobody answers."""
    target, headers = reserved["upload"], {"upload-token": reserved["write_token"]}
    assert persistently(lambda: httpx.put(target["url"], content=data, headers=target["headers"])).status_code == 200
    path = f"{product.base_url}{UPLOADS}/{reserved['id']}/complete"
    return persistently(lambda: httpx.post(path, headers=headers))


def is_settled(product: Product, image: str) -> bool:
    try:
        shown = httpx.get(f"{product.base_url}/api/v1/images/{image}")
    except httpx.TransportError:
        return False
    return bool(shown.json().get("state") == "ready")


def test_a_kill_between_any_two_steps_loses_nothing_and_leaves_nothing(product: Product, armed: Path) -> None:
    trials = 0
    for seed, point in enumerate(POINTS):
        data = samples.jpeg(60, 40, seed=970 + seed)
        reserved = reserve(product.client, data)
        armed.write_text(point)
        answer = sent(product, reserved, data)
        assert answer.status_code == 200, answer.text
        assert eventually(lambda: is_settled(product, reserved["image_id"]), within=30), point  # noqa: B023 -- at once
        assert not armed.exists(), f"nobody was killed {point}"
        trials += 1
    print(f"{trials} kills")  # noqa: T201 -- a fault test says its trials
    assert eventually(lambda: not staged(product))
    assert verified(product) == []
    assert collect(product) == set()


def test_a_kill_in_the_midst_of_a_put_leaves_nothing_of_it(product: Product) -> None:
    data = samples.jpeg(600, 400, seed=980)
    reserved = reserve(product.client, data)
    path = reserved["upload"]["url"].removeprefix(product.base_url)
    host = product.base_url.removeprefix("http://")
    with connect(product.base_url) as connection:
        head = f"PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(data)}\r\n\r\n"
        connection.send(head.encode() + data[: len(data) // 2])
        (pid,) = started(product, API_PROCESS)
        open_files = Path(f"/proc/{pid}/fd")
        assert eventually(lambda: any("staging" in str(link.readlink()) for link in open_files.glob("*")))
        assert not staged(product)
        os.kill(pid, signal.SIGKILL)
    assert sent(product, reserved, data).status_code == 200
    assert eventually(lambda: is_settled(product, reserved["image_id"]), within=30)


def test_a_job_that_clears_what_is_staged_before_it_commits_is_caught(product: Product, armed: Path) -> None:
    data = samples.jpeg(60, 40, seed=981)
    reserved = reserve(product.client, data)
    armed.write_text("cleared first")
    assert sent(product, reserved, data).status_code == 200
    assert eventually(lambda: not armed.exists(), within=20)
    assert Invariant.DURABLE in {invariant for invariant, _ in verified(product, quick=True)}
    assert look(product, reserved)["state"] == "received"
    product.query("DELETE FROM uploads WHERE id = %s", number(reserved))
