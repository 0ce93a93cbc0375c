"""Everything that changes an image, killed after every write, flush, link, unlink and message to the database, in turn.

`image_stories.py` says what must be true then. The controls walk through builds that were broken on purpose.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from audit import audit, settle, verify
from image_stories import ImageStories
from killing import WORKER
from product import Product, start_product
from quick_respawn import QUICK_RESPAWN
from sabotage import sabotaged
from stepping import is_decisive, is_of_a_job, is_outward
from uploading import Ledger
from walking import Story, Walked, walk

pytestmark = [pytest.mark.strace, pytest.mark.timeout(480)]

ONE_OF_EACH: Final = ("--api-processes", "1", "--workers", "1", "--renderers", "1")
SETTLE_SECONDS: Final = 60.0
ALL_STORIES: Final = bool(os.environ.get("TINTYPE_TEST_ALL_STORIES"))
"""By hand: the stories that change a single row, too."""

JOB_STRIDE: Final = 1 if ALL_STORIES else 3
"""A job is walked through in strides that begin anywhere: it mends itself the same way after each step."""

STEPS: Final = is_outward if ALL_STORIES else is_decisive
"""Of a request: by hand every message to the database, too."""

FEWEST_STEPS: Final = 10
"""No change can be made in fewer; a walk that sees fewer has missed some."""

TWO_FILES: Final = """
[kinds.image]
presets = ["thumb"]
"""
"""Variants of an image: enough for an order among them, and few enough to walk through."""

ONE_FILE: Final = f"""{TWO_FILES}
outputs = ["jpeg"]
"""

ANSWERED_FIRST: Final = """
    import asyncio
    from tintype.usecases.upload_image import UploadImage
    commit, tasks = UploadImage._commit, set()

    async def answer_first(self, accepted, *rest):
        async def later():
            await asyncio.sleep(0.02)
            await commit(self, accepted, *rest)

        tasks.add(asyncio.create_task(later()))
        return accepted

    UploadImage._commit = answer_first
"""
WRITTEN_IN_PLACE: Final = """
    import os
    from tintype.adapters.blob_directory import BlobDirectory

    def put(self, key, chunks, *, size, sha256, **_):
        path = self.locate(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for chunk in chunks():
                file.write(chunk)
            os.fsync(file.fileno())
        return True

    BlobDirectory.put = put
"""
BYTES_BEFORE_ROW: Final = """
    from tintype.db.images import get_image
    from tintype.domain.keys import original_key
    from tintype.usecases.purge_image import PurgeImage
    purge = PurgeImage.__call__

    async def bytes_first(self, request):
        async with self._database.transaction(request.tenant) as connection:
            image = await get_image(connection, request.image_id)
        await self._blobs.delete(original_key(request.tenant, image.sha256))
        await purge(self, request)

    PurgeImage.__call__ = bytes_first
"""


@contextmanager
def telling(directory: Path, code: str = "", *, kinds: str = TWO_FILES) -> Iterator[ImageStories]:
    """Give a product that is back quickly when it is killed, broken by `code`."""
    (directory / "tintype.toml").write_text(kinds)
    environment = {
        **sabotaged(directory / "broken", QUICK_RESPAWN + code),
        "TINTYPE_CONFIG": str(directory / "tintype.toml"),
    }
    with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
        yield ImageStories(product, Ledger())


OLD_BYTES_FIRST: Final = """
    from tintype.db.images import get_image
    from tintype.domain.keys import original_key
    from tintype.usecases.replace_content import ReplaceContent
    commit = ReplaceContent._commit

    async def old_bytes_first(self, request, *rest):
        async with self._database.transaction(request.tenant) as connection:
            image = await get_image(connection, request.image_id)
        await self._intake._blobs.delete(original_key(request.tenant, image.sha256))
        return await commit(self, request, *rest)

    ReplaceContent._commit = old_bytes_first
"""
TAKEN_OVER_SOON: Final = """
    import tintype.worker

    tintype.worker.HEARTBEAT_SECONDS = 0.2
    tintype.worker.STALLED_SECONDS = 1.0
    tintype.worker.SWEEP_SECONDS = 0.2
"""
ROWS_BEFORE_FILES: Final = """
    import asyncio
    from tintype.usecases.make_variants import MakeVariants
    finish = MakeVariants._finish
    store_one = MakeVariants._store_one

    class Nowhere:
        async def put(self, *_, **__):
            return True

    class WithoutStore:
        _blobs = Nowhere()

    async def is_there(self, image, row):
        return True

    async def pretend(self, image, variant, file):
        row = await store_one(WithoutStore, image, variant, file)
        self.__dict__.setdefault("put_off", []).append((image, variant, file))
        return row

    async def rows_first(self, image, rendered):
        await finish(self, image, rendered)
        for image, variant, file in self.__dict__.pop("put_off", []):
            await store_one(self, image, variant, file)

    MakeVariants._is_there = is_there
    MakeVariants._store_one = pretend
    MakeVariants._finish = rows_first
"""


def proved(product: Product) -> bool:
    """Have every purge proved, as an operator would: an origin that dies all the time may answer none of five tries."""
    for job in product.client.get("/api/v1/jobs", params={"state": "dead"}).json()["items"]:
        assert job["task"] == "prove_purge"
        assert product.client.post(f"/api/v1/jobs/{job['id']}/retry").is_success
    return settle(product, within=SETTLE_SECONDS)


def report(*walks: Walked) -> None:
    print("", *walks, sep="\n")  # noqa: T201 -- a fault test says its trials


def test_a_kill_after_any_step_leaves_what_was_or_what_was_asked_for(passable_tmp_path: Path) -> None:
    with telling(passable_tmp_path) as stories:
        product = stories.product
        walks = [
            walk(product, stories.upload(), counts=STEPS),
            walk(product, stories.replace(), counts=STEPS),
            walk(product, stories.purge(), counts=STEPS),
        ]
        if ALL_STORIES:
            walks += [walk(product, stories.trash()), walk(product, stories.restore())]
        settled = settle(product, within=SETTLE_SECONDS) and proved(product)
        violations, verification = audit(product, stories.ledger), verify(product)
    report(*walks)
    assert [walked.complaints for walked in walks] == [[]] * len(walks)
    assert settled
    assert violations == {}
    assert verification == []
    for walked in walks:
        assert walked.trials >= len(walked.steps) >= FEWEST_STEPS


def test_a_kill_after_any_step_of_a_job_leaves_nothing_that_the_next_attempt_does_not_mend(
    passable_tmp_path: Path,
) -> None:
    with telling(passable_tmp_path, TAKEN_OVER_SOON, kinds=ONE_FILE) as stories:
        walked = walk(
            stories.product,
            stories.process(),
            role=WORKER,
            counts=is_of_a_job,
            first=random.randint(1, JOB_STRIDE),
            every=JOB_STRIDE,
        )
        settled = settle(stories.product, within=SETTLE_SECONDS)
        verification = verify(stories.product)  # first: a kill can leave a name in `.tmp`, which `gc` removes
        violations = audit(stories.product, stories.ledger)
    report(walked)
    assert walked.complaints == []
    assert settled
    assert violations == {}
    assert verification == []
    assert (walked.trials + 1) * JOB_STRIDE >= len(walked.steps) >= FEWEST_STEPS


def test_the_walk_catches_a_job_that_records_variants_before_they_are_stored(passable_tmp_path: Path) -> None:
    with telling(passable_tmp_path, TAKEN_OVER_SOON + ROWS_BEFORE_FILES, kinds=ONE_FILE) as stories:
        walked = walk(stories.product, stories.process(), role=WORKER, counts=is_of_a_job, until_caught=True)
    report(walked)
    assert "recorded and not there" in walked.complaints[0]


@pytest.mark.parametrize(
    ("code", "story", "complaint"),
    [
        pytest.param(ANSWERED_FIRST, ImageStories.upload, "metadata answers 404", id="answers before it commits"),
        pytest.param(WRITTEN_IN_PLACE, ImageStories.upload, "is torn", id="writes under the final name"),
        pytest.param(OLD_BYTES_FIRST, ImageStories.replace, "other bytes", id="drops the old bytes before the row"),
        pytest.param(BYTES_BEFORE_ROW, ImageStories.purge, "half done", id="deletes bytes before the row"),
    ],
)
def test_the_walk_catches_a_build_that_does_it_in_another_order(
    passable_tmp_path: Path, code: str, story: Callable[[ImageStories], Story[Any]], complaint: str
) -> None:
    with telling(passable_tmp_path, code) as stories:
        walked = walk(stories.product, story(stories), until_caught=True)
    report(walked)
    assert complaint in walked.complaints[0]
