"""`tintype move-blobs --to URL`: has every blob lie in another store as well, while the product runs or without it.

The product is told of both stores first (`blobs_url` and `blobs_mirror_url`) and writes to both from then on, so that
one pass has to copy what was there before, and no more. docs/storage.md has the steps.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from tintype.bootstrap.blobs import both_stores
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.settings import Settings
from tintype.settings_blobs import place_of
from tintype.storage.blob_moves import BlobMove, MoveReport
from tintype.supervisor import CannotStart, explained

PROGRESS_SECONDS: Final = 2.0
NAMED: Final = 100
"""How many that failed are named; the rest is counted."""

NICE: Final = 10
"""As the jobs: whoever uploads or looks goes first."""

Say = Callable[[str], None]


def move_blobs(settings: Settings, to: str, say: Say, note: Say) -> int:
    """Run and return the exit status: 0 when every blob is in both stores. Raises `CannotStart`."""
    with explained():
        first, second, to_mirror = _chosen(settings, to)
    source, target = (first, second) if to_mirror else (second, first)
    os.nice(NICE)
    try:
        report = asyncio.run(BlobMove(source, target, to_mirror=to_mirror, step=_progress(note)).run())
    except (BlobStoreFailed, BlobStoreFull) as error:
        raise CannotStart(f"The stores cannot be used: {error}. What was copied stays; run it again.") from error
    for name in report.failed[:NAMED]:
        say(f"failed: {name}")
    counts = f"{report.looked:,} looked at, {report.copied:,} copied ({report.copied_bytes:,} bytes)"
    say(f"{counts}, {len(report.failed):,} failed.")
    if report.failed:
        say("`tintype verify` says what those that failed belong to. Nothing is switched before they are mended.")
        return 1
    say(_NEXT if to_mirror else _LAST)
    return 0


_NEXT: Final = (
    "Everything is in both stores. Now exchange blobs_url and blobs_mirror_url, reload every node (SIGHUP, or a "
    "restart), and run this once more."
)
_LAST: Final = (
    "Everything is in the store that counts. Remove blobs_mirror_url and reload every node. Then delete the old store: "
    "what is deleted from now on would stay there."
)


def _chosen(settings: Settings, to: str) -> tuple[BlobStore, BlobStore, bool]:
    """Return both stores, the one that counts first, and whether `to` is the mirror. Raises `CannotStart`."""
    try:
        wanted = place_of(to)
    except ValueError as error:
        raise CannotStart(f"--to {error}.") from None
    pair = both_stores(settings)
    if pair is None or wanted not in pair.places:
        raise CannotStart(
            "Set blobs_mirror_url (TINTYPE_BLOBS_MIRROR_URL) to the new place and reload every node first: from then "
            "on what is uploaded goes to both, and what is deleted goes from both. docs/storage.md has the steps."
        )
    return pair.first, pair.second, wanted == pair.places[1]


def _progress(note: Say) -> Callable[[MoveReport], None]:
    said = time.monotonic()

    def step(report: MoveReport) -> None:
        nonlocal said
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            note(f"{report.looked:,} looked at, {report.copied:,} copied ({report.copied_bytes:,} bytes)")

    return step
