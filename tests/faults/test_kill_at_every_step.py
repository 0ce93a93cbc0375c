"""Everything that changes an image, killed after every write, flush, link, unlink and message to the database, in turn.

`image_stories.py` says what must be true then. The controls walk through builds that were broken on purpose.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from audit import audit, settle
from image_stories import ImageStories
from product import start_product
from quick_respawn import QUICK_RESPAWN
from sabotage import sabotaged
from uploading import Ledger
from walking import Story, Walked, walk

pytestmark = [pytest.mark.strace, pytest.mark.timeout(240)]

ONE_OF_EACH: Final = ("--workers", "1", "--renderers", "1")
SETTLE_SECONDS: Final = 60.0
FEWEST_STEPS: Final = 10
"""No change can be made in fewer; a walk that sees fewer has missed some."""

ONE_PRESET: Final = """
[kinds.image]
presets = ["thumb"]
"""
"""Two files for each image: enough for an order among them, and few enough to walk through."""

ANSWERED_FIRST: Final = """
    import asyncio
    from tintype.usecases.upload_image import UploadImage
    commit, tasks = UploadImage._commit, set()

    async def answer_first(self, image, stored):
        async def later():
            await asyncio.sleep(0.02)
            await commit(self, image, stored)

        tasks.add(asyncio.create_task(later()))
        return False

    UploadImage._commit = answer_first
"""
WRITTEN_IN_PLACE: Final = """
    import os
    from tintype.adapters.blob_directory import BlobDirectory

    def put(self, key, chunks, *, size, sha256):
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
def telling(directory: Path, code: str = "") -> Iterator[ImageStories]:
    """Give a product that is back quickly when it is killed, broken by `code`."""
    (directory / "tintype.toml").write_text(ONE_PRESET)
    environment = {
        **sabotaged(directory / "broken", QUICK_RESPAWN + code),
        "TINTYPE_CONFIG": str(directory / "tintype.toml"),
    }
    with start_product(directory / "data", *ONE_OF_EACH, environment=environment) as product:
        yield ImageStories(product, Ledger())


def report(*walks: Walked) -> None:
    print("", *walks, sep="\n")  # noqa: T201 -- a fault test says its trials


def test_a_kill_after_any_step_leaves_what_was_or_what_was_asked_for(passable_tmp_path: Path) -> None:
    with telling(passable_tmp_path) as stories:
        product = stories.product
        walks = [walk(product, stories.upload()), walk(product, stories.trash()), walk(product, stories.purge())]
        settled = settle(product, within=SETTLE_SECONDS)
        violations = audit(product, stories.ledger)
    report(*walks)
    assert [walked.complaints for walked in walks] == [[]] * len(walks)
    assert settled
    assert violations == {}
    for walked in walks:
        assert walked.trials >= len(walked.steps) >= FEWEST_STEPS


@pytest.mark.parametrize(
    ("code", "story"),
    [
        pytest.param(ANSWERED_FIRST, ImageStories.upload, id="answers before it commits"),
        pytest.param(WRITTEN_IN_PLACE, ImageStories.upload, id="writes under the final name"),
        pytest.param(BYTES_BEFORE_ROW, ImageStories.purge, id="deletes bytes before the row"),
    ],
)
def test_the_walk_catches_a_build_that_does_it_in_another_order(
    passable_tmp_path: Path, code: str, story: Callable[[ImageStories], Story[Any]]
) -> None:
    with telling(passable_tmp_path, code) as stories:
        walked = walk(stories.product, story(stories), until_caught=True)
    report(walked)
    assert len(walked.complaints) == 1
