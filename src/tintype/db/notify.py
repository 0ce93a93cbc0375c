"""NOTIFY, sparingly: it takes a lock of the whole database until its transaction's commit is on disk (design §7).

What may not be seen a moment longer notifies in its own transaction, at once. Everything else is collected per process
and sent a moment after the commit, in a transaction that waits for no disk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from tintype.db.background import end
from tintype.db.jobs import QUEUE
from tintype.db.pool import BoundedConnection, Connection, Database, DatabaseConfig, connection_options
from tintype.domain.errors import Problem

IMAGES_CHANNEL: Final = "tintype_images"
TENANTS_CHANNEL: Final = "tintype_tenants"
ACCOUNTS_CHANNEL: Final = "tintype_accounts"
UPLOADS_CHANNEL: Final = "tintype_uploads"
JOBS_CHANNEL: Final = f"procrastinate_queue_v1#{QUEUE}"
_JOB_INSERTED: Final = '{"type": "job_inserted", "job_id": 0}'

IMAGES_DELAY_SECONDS: Final = 0.1
JOBS_DELAY_SECONDS: Final = 0.01
"""A worker that hears of a job 10 ms late loses nothing that a person sees …"""

JOBS_PAUSE_SECONDS: Final = 0.1
"""… and while one upload follows the other the workers are awake: ten times a second is enough to tell them."""

HEARTBEAT_SECONDS: Final = 5.0
"""How often a listener that hears nothing asks whether the server is there: a lost connection does not tell."""

RECONNECT_SECONDS: Final = 0.5
"""The pause before a lost connection is tried again."""

MAX_PAYLOAD_IDS: Final = 300
"""NOTIFY carries less than 8,000 bytes; an id has at most 20 characters."""


async def notify_at_once(connection: Connection, image_id: int) -> None:
    """Tell every process, the moment this transaction commits, that what it remembers of the image is wrong.

    For what may not be seen a moment longer: deletions, other bytes, another visibility.
    """
    await connection.execute("SELECT pg_notify(%s, %s)", [IMAGES_CHANNEL, str(image_id)])


async def notify_of_tenant(connection: Connection, tenant: int) -> None:
    """Tell every process, the moment this transaction commits, that what it remembers of the tenant is wrong."""
    await connection.execute("SELECT pg_notify(%s, %s)", [TENANTS_CHANNEL, str(tenant)])


async def notify_account_at_once(connection: Connection, account: int) -> None:
    """Tell every process, the moment this transaction commits, that the account is another one now.

    For what decides whether its images are shown: it was suspended, deleted, or let in again.
    """
    await connection.execute("SELECT pg_notify(%s, %s)", [ACCOUNTS_CHANNEL, str(account)])


async def notify_all_at_once(connection: Connection, image_ids: Sequence[int]) -> None:
    """Tell every process likewise of many images."""
    for start in range(0, len(image_ids), MAX_PAYLOAD_IDS):
        payload = " ".join(map(str, image_ids[start : start + MAX_PAYLOAD_IDS]))
        await connection.execute("SELECT pg_notify(%s, %s)", [IMAGES_CHANNEL, payload])


class Notifier:
    """Collects what this process has to tell the others, and sends it in batches."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._images: set[int] = set()
        self._jobs = False
        self._jobs_told = -JOBS_PAUSE_SECONDS
        self._tasks: set[asyncio.Task[None]] = set()

    def jobs_enqueued(self) -> None:
        """Wake the workers soon. Losing this costs one polling interval."""
        if not self._jobs:
            self._jobs = True
            pause = self._jobs_told + JOBS_PAUSE_SECONDS - asyncio.get_running_loop().time()
            self._soon(max(JOBS_DELAY_SECONDS, pause), self._send_jobs)

    def image_changed(self, image_id: int) -> None:
        """Have every process look at the image anew soon."""
        if not self._images:
            self._soon(IMAGES_DELAY_SECONDS, self._send_images)
        self._images.add(image_id)

    async def close(self) -> None:
        """Wait for what is on its way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _soon(self, delay: float, send: Callable[[], Awaitable[None]]) -> None:
        async def later() -> None:
            await asyncio.sleep(delay)
            with contextlib.suppress(Problem):  # the database is away: listeners drop all they know when they reconnect
                await send()

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_jobs(self) -> None:
        self._jobs, self._jobs_told = False, asyncio.get_running_loop().time()
        await self._send(JOBS_CHANNEL, [_JOB_INSERTED])

    async def _send_images(self) -> None:
        ids, self._images = sorted(self._images), set()
        batches = [ids[start : start + MAX_PAYLOAD_IDS] for start in range(0, len(ids), MAX_PAYLOAD_IDS)]
        await self._send(IMAGES_CHANNEL, [" ".join(map(str, batch)) for batch in batches])

    async def _send(self, channel: str, payloads: list[str]) -> None:
        async with self._database.lookup() as connection, connection.pipeline(), connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = off")
            for payload in payloads:
                await connection.execute("SELECT pg_notify(%s, %s)", [channel, payload])


class ImageListener:
    """Hears of changes and of uploads that are wanted, on a connection of its own, and says when it cannot hear.

    `on_change` gets the ids of images, `on_account` and `on_tenant` that of one, `on_upload` what `db/tus.py` tells;
    `on_connection(True)` comes after each (re)connect, when anything may have been missed, and `on_connection(False)`
    when the connection is lost.
    """

    def __init__(
        self,
        config: DatabaseConfig,
        *,
        on_change: Callable[[tuple[int, ...]], None],
        on_tenant: Callable[[int], None],
        on_account: Callable[[int], None],
        on_upload: Callable[[str], None],
        on_connection: Callable[[bool], None],
    ) -> None:
        self._config = config
        self._on_change = on_change
        self._on_tenant = on_tenant
        self._on_account = on_account
        self._on_upload = on_upload
        self._on_connection = on_connection
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    def start(self) -> None:
        """Begin to listen, and go on until `close`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 -- whatever it was: who does not hear must know it, and try again
                self._log.warning("listener_lost", error=repr(error))
            self._on_connection(False)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        options = connection_options(self._config)
        async with await BoundedConnection.connect(self._config.url, **options) as connection:
            for channel in (IMAGES_CHANNEL, ACCOUNTS_CHANNEL, TENANTS_CHANNEL, UPLOADS_CHANNEL):
                await connection.execute(f"LISTEN {channel}")
            self._on_connection(True)
            while True:
                async for message in connection.notifies(timeout=HEARTBEAT_SECONDS):
                    self._heard(message.channel, message.payload)
                await connection.execute("SELECT 1")

    def _heard(self, channel: str, payload: str) -> None:
        if channel == ACCOUNTS_CHANNEL:
            self._on_account(int(payload))
        elif channel == TENANTS_CHANNEL:
            self._on_tenant(int(payload))
        elif channel == UPLOADS_CHANNEL:
            self._on_upload(payload)
        else:
            self._on_change(tuple(map(int, payload.split())))
