"""`tintype encrypt-blobs`: has every blob lie under the current key, or in clear, while the product runs or without it.

Blob by blob, each replaced as a whole under the lock that puts and deletes take, so that nothing is lost, nothing
deleted comes back, and readers see the same bytes before and after. What is as it should be is passed over by its
header: a run that was interrupted goes on where it was by beginning again. The older keys are written off once a run
finds nothing left to do.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from tintype.adapters.blobs_encrypted import EncryptedBlobStore
from tintype.adapters.sealed_directory import Rewritten
from tintype.bootstrap.blobs import encrypted_store, local_root, settle_keys
from tintype.domain.keys import named_digest
from tintype.ports.blobs import BlobMismatch, BlobMissing, BlobStoreFailed, BlobStoreFull
from tintype.settings import Settings
from tintype.supervisor import CannotStart, explained

AT_ONCE: Final = 8
"""Blobs that are rewritten at once: flushes that arrive together share one commit of the file system's journal."""

PROGRESS_SECONDS: Final = 2.0
NAMED: Final = 100
"""How many that failed are named; the rest is counted."""

LEFTOVER_SECONDS: Final = 3600.0
"""What a crash left half-written is removed at the end when it is older: it may be in clear."""

NICE: Final = 10
"""As the jobs: whoever uploads or looks goes first."""

Say = Callable[[str], None]


def encrypt_blobs(settings: Settings, say: Say, note: Say, *, off: bool) -> int:
    """Run and return the exit status: 0 when every blob is as it should be. Raises `CannotStart`."""
    if off == (settings.encryption.key is not None):
        note(_HAS_KEY if off else _NO_KEY)
        return 2
    root = local_root(settings)
    if root is None:
        raise CannotStart("Images lie in a bucket (TINTYPE_BLOBS_URL): have the bucket encrypt them.")
    if not root.is_dir():
        raise CannotStart(f"There are no images in {root}. Name the data directory with --data.")
    os.nice(NICE)
    with explained():
        store = encrypted_store(settings)
        try:
            run = _Run(store, say, note)
            asyncio.run(run.until_nothing_is_left())
        except (BlobStoreFailed, BlobStoreFull) as error:
            raise CannotStart(
                f"The blob store cannot be used: {error}. What was done stays done; run it again."
            ) from error
        finally:
            store.close()
        return _conclude(settings, run, say)


_HAS_KEY: Final = (
    "There is a key (TINTYPE_BLOB_KEY), so what is uploaded would still be encrypted. Move it to TINTYPE_BLOB_KEY_OLD, "
    "restart `tintype serve`, and run this again."
)
_NO_KEY: Final = "There is no key to encrypt with: set TINTYPE_BLOB_KEY. To decrypt instead, say --off."


def _conclude(settings: Settings, run: "_Run", say: Say) -> int:
    counted = run.counted
    say(f"{counted[Rewritten.DONE]} rewritten, {counted[Rewritten.ALREADY]} as they should be, {run.failed} failed.")
    if run.failed:
        say("Those that failed stay as they were and still need their key. `tintype verify` says what they belong to.")
        return 1
    record = settle_keys(settings)
    how = f"encrypted with the key {min(record.ids)}" if record.ids else "in clear"
    say(f"Every image is {how}. TINTYPE_BLOB_KEY_OLD is needed no more, except for older backups.")
    return 0


class _Run:
    """One run through every blob, again until a pass found nothing to do: uploads go on meanwhile."""

    def __init__(self, store: EncryptedBlobStore, say: Say, note: Say) -> None:
        self._store = store
        self._say = say
        self._note = note
        self._looked = 0
        self._said = time.monotonic()
        self.counted: Counter[Rewritten] = Counter()
        self.failed = 0

    async def until_nothing_is_left(self) -> None:
        """Go through every blob until all are as they should be, but for those that fail."""
        while await self._go_through():
            continue
        await self._store.leftovers(older_seconds=LEFTOVER_SECONDS, remove=True)

    async def _go_through(self) -> bool:
        """Return whether another pass is worth its while: something was done, and nothing failed."""
        before = self.counted[Rewritten.DONE]
        self.counted[Rewritten.ALREADY] = self.failed = 0
        waiting: list[str] = []
        async for blob in self._store.list():
            waiting.append(blob.key)
            if len(waiting) == AT_ONCE:
                await asyncio.gather(*map(self._rewrite, waiting))
                waiting = []
        await asyncio.gather(*map(self._rewrite, waiting))
        return self.counted[Rewritten.DONE] > before and not self.failed

    async def _rewrite(self, key: str) -> None:
        try:
            self.counted[await self._store.rewrite(key, expected=named_digest(key))] += 1
        except BlobMissing:
            self.counted[Rewritten.GONE] += 1
        except (BlobMismatch, BlobStoreFailed) as error:
            self.failed += 1
            if self.failed <= NAMED:
                self._say(f"failed: {key}: {error}")
        self._step()

    def _step(self) -> None:
        self._looked += 1
        now = time.monotonic()
        if now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self._note(f"{self._looked:,} images looked at, {self.counted[Rewritten.DONE]:,} rewritten")
