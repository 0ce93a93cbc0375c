"""The power fails while clients are at work, database and blobs on one disk: what was acknowledged is there afterwards.

The disk is a file system whose unflushed writes are dropped (`disks.cut_power`). A kill would prove too little: the
kernel outlives it, with everything that was written and never flushed. The controls skip a flush, and are caught.
"""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from audit import Violations, audit, settle, verify, work_left
from disks import cut_power, ext4_image, mounted
from image_stories import ImageStories
from killing import is_running
from product import Product, eventually, start_product
from quick_respawn import QUICK_RESPAWN
from sabotage import sabotaged
from uploading import Ledger, uploading

pytestmark = [pytest.mark.root, pytest.mark.mkfs_ext4, pytest.mark.timeout(240)]

PROCESSES: Final = ("--api-processes", "2", "--workers", "1", "--renderers", "1")
CLIENTS: Final = 4
CUTS: Final = int(os.environ.get("TINTYPE_TEST_POWER_CUTS", "3"))
"""More by hand: each takes some six seconds."""

WORK_SECONDS: Final = 1.5
SETTLE_SECONDS: Final = 60.0
GONE_SECONDS: Final = 20.0
ANSWERED_SECONDS: Final = 20.0
"""Until one of several tries is answered otherwise than by 503: the disk is slow when it is flushed all the time."""

DISK_BYTES: Final = 768 << 20
"""The database's log alone may grow to 512 MiB; what is never written takes no room."""

NAMES_NOT_FLUSHED: Final = """
    import os, stat
    from tintype.adapters import blob_directory
    flush = blob_directory.flush

    def flush_nameless(descriptor):
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
            flush(descriptor)

    blob_directory.flush = flush_nameless
    blob_directory.flush_directory = lambda _: None
"""
"""The bytes of a blob are flushed, the directory that has its name is not."""

COMMIT_NOT_FLUSHED: Final = """
    from tintype.db import pool

    pool.SESSION_OPTIONS += " -c synchronous_commit=off"
"""
"""The database answers a commit before it is on the disk."""


@dataclass(frozen=True)
class Disk:
    """A disk, and what runs on it."""

    image: Path
    directory: Path
    environment: dict[str, str]

    @contextmanager
    def running(self, *, port: int | None = None, key: str = "") -> Iterator[Product]:
        """Mount the disk and start the product on it."""
        with mounted(self.image, self.directory, "-o", "loop"), self._started(port, key) as product:
            yield product

    @contextmanager
    def _started(self, port: int | None, key: str) -> Iterator[Product]:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        with start_product(data, *PROCESSES, environment=self.environment, port=port, key=key) as product:
            yield product


@contextmanager
def disk_in(directory: Path, code: str = "") -> Iterator[Disk]:
    """Give a disk for a product that is broken by `code`."""
    (directory / "disk").mkdir()
    ext4_image(directory / "image", DISK_BYTES)
    yield Disk(directory / "image", directory / "disk", sabotaged(directory / "code", QUICK_RESPAWN + code))


def kill_all(product: Product) -> None:
    """End what runs on a disk without power: nothing of it can write any more."""
    everything = [product.process.pid, *product.children()]
    for pid in everything:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.process.wait()
    assert eventually(lambda: not any(map(is_running, everything)), within=GONE_SECONDS)


def work_until_the_power_fails(disk: Disk, ledger: Ledger, *, clients: int) -> Violations:
    """Do so again and again, and return what is wrong at last, or the first time that something is."""
    port, key, violations = None, "", Violations()
    for cut in range(CUTS + 1):
        with disk.running(port=port, key=key) as product:
            port, key = int(product.base_url.rpartition(":")[2]), product.api_key
            if cut > 0:
                assert settle(product, within=SETTLE_SECONDS), work_left(product)
                violations = audit(product, ledger)
                if not violations:
                    assert verify(product) == []
            if violations or cut == CUTS:
                break
            with uploading(product.base_url, key, clients=clients, seed=secrets.randbelow(10**6), ledger=ledger):
                time.sleep(WORK_SECONDS if clients else 0)
                be_answered(ImageStories(product, ledger), cut)
                cut_power(disk.directory)
                kill_all(product)
    said = f"{cut} power cuts, {len(ledger.acknowledged)} images acknowledged, {len(ledger.deleted)} deleted"
    print(f"\n{said}: { ({kind: len(found) for kind, found in violations.items()}) }")  # noqa: T201 -- likewise
    return violations


def be_answered(stories: ImageStories, number: int) -> None:
    """Have an upload acknowledged, or a delete: what tells most is what was answered in the moment before the cut."""
    assert eventually(lambda: stories.has_sent() is not None, within=ANSWERED_SECONDS)
    if number % 2:
        assert eventually(stories.has_purged, within=ANSWERED_SECONDS)


def test_a_power_cut_under_load_takes_nothing_that_was_acknowledged(passable_tmp_path: Path) -> None:
    ledger = Ledger()
    with disk_in(passable_tmp_path) as disk:
        assert work_until_the_power_fails(disk, ledger, clients=CLIENTS) == {}
    assert len(ledger.acknowledged) > CUTS
    assert len(ledger.deleted) > 0


@pytest.mark.parametrize("code", [NAMES_NOT_FLUSHED, COMMIT_NOT_FLUSHED], ids=["names", "commits"])
def test_a_power_cut_finds_out_a_product_that_does_not_flush(passable_tmp_path: Path, code: str) -> None:
    with disk_in(passable_tmp_path, code) as disk:
        assert "lost" in work_until_the_power_fails(disk, Ledger(), clients=0)
