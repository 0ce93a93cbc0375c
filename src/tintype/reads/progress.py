"""Following an image to the end of its processing: as a series of steps to tell, or by waiting for the end.

Whoever follows subscribes to changes first and reads the image then, so that no change falls between the two. A change
is heard by NOTIFY; a look now and then catches what was never told (a worker that was killed between its commit and the
telling) or could not be heard.

What was told already has a name, the id of an event: the version, its revision, and one bit for each variant. A client
that comes back with it is told the rest and nothing twice.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ImageRef
from tintype.domain.image import State
from tintype.domain.transform import Variant
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords

LOOK_SECONDS: Final = 4.0
"""Between two looks while changes are heard of. A session or key that is revoked is told to nobody: who follows by one
is found out by the next look, within five seconds."""

DEAF_LOOK_SECONDS: Final = 1.0
"""Between two looks while nothing is heard; a record of an image in work is believed for as long."""

BUSY_SECONDS: Final = 5
"""When whoever finds every place taken had better come again: most images are processed by then."""

_TOLD: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9a-f]{1,64})")


@dataclass(frozen=True, slots=True)
class Told:
    """How much of an image's progress was told; `variants` has a bit for each of its variants, `revision` 0 is none."""

    version: int
    revision: int = 0
    variants: int = 0

    def __str__(self) -> str:
        return f"{self.version}.{self.revision}.{self.variants:x}"

    @classmethod
    def parse(cls, text: str) -> "Told | None":
        """Return what the id of an event says, or None for what is no id of ours."""
        match = _TOLD.fullmatch(text)
        return cls(int(match[1]), int(match[2]), int(match[3], 16)) if match else None

    def ends(self, record: DeliveryRecord) -> bool:
        """Return whether this is the last that there is to tell of the image as it is now."""
        image = record.image
        return is_settled(record) and (self.version, self.revision) == (image.version, image.revision)


@dataclass(frozen=True, slots=True)
class Step:
    """Something to tell: a variant that is there now or, without one, the image's state."""

    record: DeliveryRecord
    told: Told
    variant: Variant | None = None


def is_settled(record: DeliveryRecord) -> bool:
    """Return whether processing has ended, however it did."""
    return record.image.state is not State.PROCESSING


def steps(record: DeliveryRecord, variants: tuple[Variant, ...], told: Told | None) -> Iterator[Step]:
    """Yield what is new since `told`: that an image is in work before its variants, its end after them."""
    image = record.image
    so_far = told if told is not None and told.version == image.version else Told(image.version)
    state_is_new = so_far.revision != image.revision
    if state_is_new and not is_settled(record):
        so_far = replace(so_far, revision=image.revision)
        yield Step(record, so_far)
    for number, variant in enumerate(variants):
        if variant.output.digest in record.variants and not so_far.variants >> number & 1:
            so_far = replace(so_far, variants=so_far.variants | 1 << number)
            yield Step(record, so_far, variant)
    if state_is_new and is_settled(record):
        yield Step(record, replace(so_far, revision=image.revision))


class Follower:
    """One place among those that follow; `end` makes whoever has it stop waiting."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed
        self.ended = False

    def end(self) -> None:
        """Stop following: the client has left, or this process ends."""
        self.ended = True
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Return after a change or `end`, at the latest after `seconds`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        if not self.ended:
            self._changed.clear()


class Progress:
    """Follows images for a bounded number of clients."""

    def __init__(
        self,
        records: DeliveryRecords,
        *,
        places: int,
        places_per_image: int,
        measure: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`places` are those of this process; `measure` is told how many of them are taken."""
        self._records = records
        self._places = places
        self._places_per_image = places_per_image
        self._followers: dict[int, set[Follower]] = {}
        self._measure = measure
        self._taken = 0
        self._ending = False

    @contextmanager
    def place(self, image_id: int) -> Iterator[Follower]:
        """Give a place, subscribed to the image's changes; `Problem` unavailable when all are taken."""
        of_image = self._followers.get(image_id, set())
        if self._ending or self._taken >= self._places or len(of_image) >= self._places_per_image:
            raise Problem(
                Code.UNAVAILABLE,
                "Too many follow images here at the moment. Ask for the image itself now and then, or come again.",
                retry_after=BUSY_SECONDS,
            )
        with self._records.changes(image_id) as changed:
            follower = Follower(changed)
            self._followers.setdefault(image_id, set()).add(follower)
            self._count(1)
            try:
                yield follower
            finally:
                self._leave(image_id, follower)

    def _leave(self, image_id: int, follower: Follower) -> None:
        self._count(-1)
        self._followers[image_id].discard(follower)
        if not self._followers[image_id]:
            del self._followers[image_id]

    def _count(self, more: int) -> None:
        self._taken += more
        self._measure(self._taken)

    def end_all(self) -> None:
        """Have everybody stop following, and admit nobody any more: this process ends."""
        self._ending = True
        for follower in [follower for followers in self._followers.values() for follower in followers]:
            follower.end()

    async def follow(
        self, follower: Follower, look: Callable[[], Awaitable[DeliveryRecord]]
    ) -> AsyncIterator[DeliveryRecord | None]:
        """Yield the image whenever it may have changed, and None when nothing was heard for a while.

        `look` reads it, and decides each time whether the client may see it. A database that is away is waited for;
        what else `look` raises is raised here.
        """
        while not follower.ended:
            await follower.wait(LOOK_SECONDS if self._records.hears else DEAF_LOOK_SECONDS)
            if follower.ended:
                return
            try:
                yield await look()
            except Problem as problem:
                if problem.code is not Code.UNAVAILABLE:
                    raise
                yield None

    async def settled(self, ref: ImageRef, seconds: float) -> DeliveryRecord:
        """Return the image once it is processed, or as it is after `seconds`; at once when all places are taken."""
        with suppress(Problem):
            await self._wait_until_settled(ref, time.monotonic() + seconds)
        return await self._records.get(ref)

    async def _wait_until_settled(self, ref: ImageRef, deadline: float) -> None:
        with self.place(ref.id) as follower:
            while not follower.ended and not is_settled(await self._records.get(ref)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                await follower.wait(min(left, DEAF_LOOK_SECONDS))
