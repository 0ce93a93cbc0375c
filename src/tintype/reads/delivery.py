"""What delivery needs to know of an image: one record, remembered while nothing says that it changed.

Skeleton: the id and secret of the URL. Hydrate: the row, its variants and what its account is, in one transaction. The
rules of `domain/visibility.py` are asked by the web layer for every request and never remembered. A record is dropped
when a NOTIFY names its image or its account; all are dropped when the listener comes back after it could not hear; a
node that is deaf believes what it has for a bounded time only (I12), and that an image is in work, for a moment.

What is asked for by many at once is read once, whatever comes of it; that there is no such image is remembered, too.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tintype.db.clock import DatabaseClock
from tintype.db.images import find_image_tenant, get_image
from tintype.db.owners import is_active
from tintype.db.pool import Connection, Database
from tintype.db.uploads import get_upload
from tintype.db.variants import VariantRow, list_variants
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ImageRef, milliseconds_of
from tintype.domain.image import Image, State
from tintype.domain.kind import UploadKind, presets_of
from tintype.domain.tenant import suspended_tenant
from tintype.domain.transform import Preset
from tintype.domain.upload import UploadState
from tintype.domain.visibility import BY_LINK, Viewer, may_view

CACHED_RECORDS: Final = 10_000
"""About 4 kB each, and 1 kB for every representation that is kept ready: some 60 MB for the images asked for most."""

DEAF_SECONDS: Final = 50.0
"""How long a node that hears of no changes goes on serving what it remembers: 60 s (I6, I12), less the 7 that it may
take to notice."""

PROCESSING_SECONDS: Final = 1.0
"""How long an image is believed to be in work. Its job says when it is done, unless its worker is killed between the
commit and the telling; nobody would say it again."""

UNKNOWN_SECONDS: Final = 1.0
"""How long it is believed that there is no such image. No longer: it may be committed in the next moment, by a process
that does not tell."""

UNKNOWN_NAMES: Final = 10_000
"""Of images that there are not; a name has 26 characters."""

AHEAD_MILLISECONDS: Final = 86_400_000
"""An id carries its time. One from more than a day ahead was never drawn by any node, whatever its clock (I10): no
database need be asked. Of the ids that somebody makes up, that is 98 of 100."""

SHARED_SECONDS: Final = 0.2
"""How long a read that is under way is joined by others; later, what it finds may be older than what they may know."""

CHANGE_WAIT_SECONDS: Final = 1.0
"""How long a request for a variant that the job is making waits for it before it makes the variant itself."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """An image and the variants that are there, by digest. `prepared` is the web layer's, and lives as long."""

    image: Image
    variants: dict[str, VariantRow]
    kind: UploadKind | None = None
    """What its kind is to its tenant now; None when there is no such kind any more."""
    withdrawn: bool = False
    """Whether the account that has it is suspended or deleted."""
    prepared: dict[Hashable, Any] = field(default_factory=dict)
    loaded: float = field(default_factory=time.monotonic)
    expires: float = math.inf
    """When the image's time is over, by this process's monotonic clock."""

    @property
    def presets(self) -> tuple[Preset, ...]:
        """What the image can be shown as."""
        return presets_of(self.image.recipe, self.kind)

    @property
    def by_link(self) -> bool:
        """Whether whoever has the link may see it, whoever they are."""
        return self.image.visibility in BY_LINK and not self.withdrawn

    def shown_to(self, viewer: Viewer) -> bool:
        """Return whether `viewer` may see it. Whether there is anything to see is not asked here."""
        image = self.image
        return may_view(
            image.visibility, tenant=image.tenant, owner=image.owner, viewer=viewer, withdrawn=self.withdrawn
        )

    @property
    def expired(self) -> bool:
        """Whether the image's time is over: nothing of it may be served."""
        return time.monotonic() >= self.expires

    @property
    def stale(self) -> bool:
        """Whether it may have changed without anybody hearing of it: time alone ends what is prepared."""
        if self.loaded < self.expires <= time.monotonic():
            return True
        return self.image.state is State.PROCESSING and time.monotonic() - self.loaded > PROCESSING_SECONDS


@dataclass(frozen=True, slots=True)
class _Read:
    """A read that is under way."""

    generation: int
    task: asyncio.Task[DeliveryRecord]
    began: float = field(default_factory=time.monotonic)


class DeliveryRecords:
    """Loads records and remembers them."""

    def __init__(
        self,
        database: Database,
        clock: DatabaseClock,
        kinds_of: Callable[[int], Awaitable[Mapping[str, UploadKind]]],
    ) -> None:
        """`kinds_of` gives the kinds of a tenant, and never what they were before a change that was heard of."""
        self._database = database
        self._clock = clock
        self._kinds_of = kinds_of
        self._records: OrderedDict[str, DeliveryRecord] = OrderedDict()
        self._names: dict[int, str] = {}
        self._deaf_since: float | None = time.monotonic()
        self._watchers: dict[int, set[asyncio.Event]] = {}
        self._generation = 0
        self._reads: dict[str, _Read] = {}
        self._unknown: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def remembered(self, public_id: str) -> DeliveryRecord | None:
        """Return the record from memory, or None. Touches nothing but memory."""
        record = None if self._too_deaf() else self._records.get(public_id)
        return None if record is None or record.stale else record

    async def get(self, ref: ImageRef) -> DeliveryRecord:
        """Return the record; `Problem` not_found when there is no such image."""
        name = str(ref)
        record = self.remembered(name)
        if record is not None:
            return record
        if self._is_unknown(name) or milliseconds_of(ref.id) > time.time() * 1000 + AHEAD_MILLISECONDS:
            raise _no_image()
        return await asyncio.shield(self._read_for_all(name, ref))

    def forget(self, image_ids: tuple[int, ...]) -> None:
        """Drop what is known of these images, and wake whoever waits for a change."""
        self._generation += 1
        for image_id in image_ids:
            self._records.pop(self._names.pop(image_id, ""), None)
            for watcher in self._watchers.get(image_id, ()):
                watcher.set()

    def forget_tenant(self, tenant: int) -> None:
        """Drop what is known of the tenant's images, and wake whoever waits: it is suspended, or has other kinds."""
        self._generation += 1
        dropped = [name for name, record in self._records.items() if record.image.tenant == tenant]
        for name in dropped:
            self._names.pop(self._records.pop(name).image.id, None)
        self._wake_all()

    def _wake_all(self) -> None:
        for watcher in (watcher for watchers in self._watchers.values() for watcher in watchers):
            watcher.set()

    def forget_owner(self, account: int) -> None:
        """Drop what is known of this account's images, and wake whoever waits for a change of one."""
        self.forget(tuple(record.image.id for record in self._records.values() if record.image.owner == account))

    def hearing(self, connected: bool) -> None:  # noqa: FBT001 -- the listener's callback has one argument
        """Take note that changes are heard of from now on, or no more."""
        self._generation += 1
        if connected:
            self._records.clear()
            self._names.clear()
            self._deaf_since = None
            self._wake_all()  # whatever changed while we could not hear
        elif self._deaf_since is None:
            self._deaf_since = time.monotonic()

    @property
    def hears(self) -> bool:
        """Whether changes are heard of right now."""
        return self._deaf_since is None

    @contextmanager
    def changes(self, image_id: int) -> Iterator[asyncio.Event]:
        """Give an event that is set by every change of the image that is heard of from now on.

        Whoever reads the image inside the block misses no change: what comes after the reading sets the event.
        """
        watcher = asyncio.Event()
        self._watchers.setdefault(image_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            watchers = self._watchers[image_id]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[image_id]

    async def wait_for_change(self, image_id: int, seconds: float = CHANGE_WAIT_SECONDS) -> None:
        """Return when a change of the image is heard of, at the latest after `seconds`."""
        with self.changes(image_id) as changed, suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), seconds)

    def _is_unknown(self, name: str) -> bool:
        generation, found = self._unknown.get(name, (-1, 0.0))
        return generation == self._generation and time.monotonic() - found < UNKNOWN_SECONDS

    def _read_for_all(self, name: str, ref: ImageRef) -> asyncio.Task[DeliveryRecord]:
        """Return the read of this image that has just begun, or begin one."""
        under_way = self._reads.get(name)
        if (
            under_way is not None
            and under_way.generation == self._generation
            and time.monotonic() - under_way.began < SHARED_SECONDS
        ):
            return under_way.task
        read = _Read(self._generation, asyncio.create_task(self._load(ref)))
        self._reads[name] = read
        read.task.add_done_callback(lambda task: self._end_read(name, task))
        return read.task

    def _end_read(self, name: str, task: asyncio.Task[DeliveryRecord]) -> None:
        under_way = self._reads.get(name)
        if under_way is not None and under_way.task is task:  # and no later one in its place
            del self._reads[name]
        if not task.cancelled():
            task.exception()  # everybody who asked may have gone away; then nobody else takes note of it

    async def _load(self, ref: ImageRef) -> DeliveryRecord:
        generation = self._generation
        try:
            record = await self._read(ref)
        except Problem as problem:
            if problem.code is Code.NOT_FOUND and generation == self._generation and self._deaf_since is None:
                self._remember_unknown(str(ref))
            raise
        # A change that was heard of while we read may be newer than what we read: then do not remember it.
        if generation == self._generation and self._deaf_since is None:
            self._remember(record)
        return record

    def _remember_unknown(self, name: str) -> None:
        self._unknown[name] = self._generation, time.monotonic()
        self._unknown.move_to_end(name)
        if len(self._unknown) > UNKNOWN_NAMES:
            self._unknown.popitem(last=False)

    def _remember(self, record: DeliveryRecord) -> None:
        name = str(record.image.ref)
        self._records[name] = record
        self._names[record.image.id] = name
        if len(self._records) > CACHED_RECORDS:
            _, oldest = self._records.popitem(last=False)
            self._names.pop(oldest.image.id, None)

    async def _read(self, ref: ImageRef) -> DeliveryRecord:
        async with self._database.lookup() as connection:
            found = await find_image_tenant(connection, ref)
        if found is None:
            raise _no_image()
        tenant, suspended = found
        if suspended:
            raise suspended_tenant()
        kinds = await self._kinds_of(tenant)
        async with self._database.transaction(tenant) as connection:
            image = (
                await get_image(connection, ref.id)
                or await _pending(connection, ref.id, kinds)
                or await get_image(connection, ref.id)  # its upload may have become it between the two looks
            )
            variants = await list_variants(connection, tenant=tenant, sha256=image.sha256) if image is not None else ()
            withdrawn = bool(image and image.owner and not await is_active(connection, image.owner))
        if image is None:
            raise _no_image()
        made = {variant.digest: variant for variant in variants}
        record = DeliveryRecord(image, made, kinds.get(image.kind), withdrawn)
        if image.expires_at is None:
            return record
        await self._clock.refresh()  # expiry is by the database's clock, like every lease (I10)
        left = (image.expires_at - self._clock.now()).total_seconds()
        return replace(record, expires=time.monotonic() + left)

    def _too_deaf(self) -> bool:
        return self._deaf_since is not None and time.monotonic() - self._deaf_since > DEAF_SECONDS


async def _pending(connection: Connection, image_id: int, kinds: Mapping[str, UploadKind]) -> Image | None:
    """Return what is known of an image that is all there and not examined yet, or was refused then."""
    upload = await get_upload(connection, image_id)
    if upload is None or upload.state not in {UploadState.RECEIVED, UploadState.REJECTED}:
        return None
    kind = kinds.get(upload.kind)
    return upload.as_image(kind.recipe) if kind is not None else upload.as_image()


def _no_image() -> Problem:
    return Problem(Code.NOT_FOUND, "There is no such image.")
