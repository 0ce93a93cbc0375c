"""The story of an event on its way to those who want to hear of it.

It was written to the outbox in the transaction that caused it. It is passed on: taken out and written down for each
webhook of the tenant that wants it, in one transaction, with the bytes that will be sent. Then each is sent, signed, to
its receiver, until that says 2xx or the attempts are used up; then it is dead, which can be seen, and sent again.

Deliveries have nothing to do with jobs: a receiver that takes fifteen seconds to fail must not keep a decoder waiting.
Every worker process looks for what is due, takes some under a lease, a few of each webhook at once, and sends them side
by side. How it fails: who dies with a delivery in hand has used an attempt, and another worker takes it when its lease
is over, so that a receiver may hear of an event twice, under the same id. A result is written only while the attempt is
still ours. A receiver that has failed for days and let an event die is switched off, and the audit log says so; one
that answers 410 is switched off at once.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from tintype.db.audit import record
from tintype.db.background import end
from tintype.db.clock import DatabaseClock
from tintype.db.outbox import Event, take_events, tenants_with_events
from tintype.db.pool import Connection, Database
from tintype.db.webhook_deliveries import (
    NewDelivery,
    TakenDelivery,
    Tried,
    body_of,
    give_up_pending,
    insert_deliveries,
    record_attempt,
    take_deliveries,
)
from tintype.db.webhooks import (
    enabled_webhooks,
    get_webhook,
    note_webhook_failure,
    note_webhook_success,
    update_webhook,
)
from tintype.domain.audit import NOBODY, Action, Entry
from tintype.domain.ids import public_id
from tintype.domain.outgoing import BadUrl
from tintype.domain.webhook import (
    EVENT_PREFIX,
    SWITCHED_OFF,
    WEBHOOK_PREFIX,
    DeliveryState,
    DisabledReason,
    Verdict,
    Webhook,
    asked_pause,
    judge,
    move_delivery,
    pause_before_next,
    signed_headers,
)
from tintype.ports.public_web import Answer, Call, NoAnswer, Patience, PublicWeb
from tintype.storage.sealing import SealBroken, Sealer

POLL_SECONDS: Final = 0.5
"""How late an event is at most, as jobs are: nobody notifies, for that takes a lock of the whole database."""

TROUBLE_SECONDS: Final = 5.0
"""The pause when the database is away."""

PASSED_ON_AT_ONCE: Final = 100
EVENTS_LOOKED_AT: Final = 1_000

EACH_AT_ONCE: Final = 4
"""Calls to one webhook under way in one process; half of them are taken at a time."""

LEASE_SPARE: Final = timedelta(seconds=45)
"""Beyond the time that a call may take: for the transactions around it, on a bad day of the database."""

CLOSE_SECONDS: Final = 5.0
"""How long calls under way may go on when the process is told to stop."""

MOST_ANSWER_BYTES: Final = 16_384
"""Of a receiver's answer that are read and thrown away, so that its connection ends well."""

UNREADABLE: Final = "secret.unreadable"
BAD_URL: Final = "url.refused"


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """How long a receiver may take, when it is tried again, when it is switched off, and how many calls at once."""

    patience: Patience
    retries: tuple[timedelta, ...]
    disable_after: timedelta
    concurrent: int


@dataclass(frozen=True, slots=True)
class _Result:
    """What an attempt came to."""

    verdict: Verdict
    status: int | None = None
    error: str | None = None
    pause: timedelta = timedelta()


class DeliverWebhooks:
    """Passes events on and sends them, in the background."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        web: PublicWeb,
        sealer: Sealer,
        rules: DeliveryRules,
        body: Callable[[Event], str],
        count: Callable[[str], None],
    ) -> None:
        """`body` writes what is sent of an event; `count` hears how each attempt ended."""
        self._database = database
        self._clock = clock
        self._web = web
        self._sealer = sealer
        self._rules = rules
        self._body = body
        self._count = count
        self._running: asyncio.Task[None] | None = None
        self._sending: dict[asyncio.Task[None], int] = {}
        self._ended = asyncio.Event()
        self._log = structlog.get_logger("tintype.webhooks")

    def start(self) -> None:
        """Begin, and go on until `close`."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take no more, and let what is under way end, within reason."""
        if self._running is not None:
            await end(self._running)
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._ended.clear()
            try:
                await self.pass_on()
                taken = await self._take()
            except Exception as error:  # noqa: BLE001 -- whatever it was: nobody else would go on
                self._log.warning("webhooks_wait", error=repr(error))
                await asyncio.sleep(TROUBLE_SECONDS)
                continue
            if not taken:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._ended.wait()

    async def pass_on(self) -> int:
        """Write every event that waits down for those who want it, and return how many there were."""
        passed, found = 0, True
        while found:
            async with self._database.lookup() as connection:
                tenants = await tenants_with_events(connection, limit=EVENTS_LOOKED_AT)
            found = False
            for tenant in tenants:
                try:
                    count = await self._pass_on_of(tenant)
                except Exception as error:  # noqa: BLE001 -- likewise: one tenant's trouble is not another's
                    self._log.warning("events_wait", error=repr(error))
                    count = 0
                passed += count
                found = found or count > 0
        return passed

    async def _pass_on_of(self, tenant: int) -> int:
        async with self._database.transaction(tenant) as connection:
            events = await take_events(connection, tenant=tenant, limit=PASSED_ON_AT_ONCE)
            webhooks = await enabled_webhooks(connection, tenant=tenant) if events else ()
            wanted = [new for event in events for new in self._deliveries_of(event, webhooks)]
            if wanted:
                await insert_deliveries(connection, wanted, tenant=tenant)
        return len(events)

    def _deliveries_of(self, event: Event, webhooks: Sequence[Webhook]) -> list[NewDelivery]:
        """Return what is to be sent of the event; nothing of one that cannot be written, for others wait behind it."""
        wanting = [webhook for webhook in webhooks if webhook.wants(event.type)]
        try:
            body = self._body(event) if wanting else ""
        except Exception:  # noqa: BLE001 -- whatever is wrong with one event, those behind it are passed on
            self._log.exception("event_unreadable", event_id=public_id(EVENT_PREFIX, event.id))
            return []
        return [
            NewDelivery(webhook.id, event.id, event.type, event.image_id, event.occurred_at, body)
            for webhook in wanting
        ]

    async def _take(self) -> int:
        """Begin to send what is due and return how many that is."""
        room = self._rules.concurrent - len(self._sending)
        if room <= 0:
            return 0
        under_way = Counter(self._sending.values())
        busy = [webhook for webhook, count in under_way.items() if count > EACH_AT_ONCE // 2]
        lease = timedelta(seconds=self._rules.patience.connect + self._rules.patience.whole) + LEASE_SPARE
        async with self._database.lookup() as connection:
            taken = await take_deliveries(connection, busy=busy, limit=room, each=EACH_AT_ONCE // 2, lease=lease)
        for delivery in taken:
            task = asyncio.create_task(self._send(delivery))
            self._sending[task] = delivery.webhook
            task.add_done_callback(self._sent)
        return len(taken)

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._ended.set()
        if not task.cancelled() and (error := task.exception()) is not None:  # its lease ends, and it is tried again
            self._log.warning("delivery_interrupted", error=repr(error))

    async def _send(self, taken: TakenDelivery) -> None:
        async with self._database.transaction(taken.tenant) as connection:
            webhook = await get_webhook(connection, taken.webhook, tenant=taken.tenant)
            body = await body_of(connection, taken)
        if webhook is None or not webhook.enabled or body is None:
            return
        await self._clock.refresh()
        began = time.monotonic()
        result = await self._call(webhook, taken.event, body.encode())
        milliseconds = round((time.monotonic() - began) * 1000)
        async with self._database.transaction(taken.tenant) as connection:
            state = await self._settle(connection, taken, result, milliseconds)
        self._count(state)
        self._log.info(
            "delivery",
            webhook=public_id(WEBHOOK_PREFIX, taken.webhook),
            event_id=public_id(EVENT_PREFIX, taken.event),
            attempt=taken.attempt,
            outcome=state,
            status=result.status,
            error=result.error,
            milliseconds=milliseconds,
        )

    async def _call(self, webhook: Webhook, event: int, body: bytes) -> _Result:
        try:
            headers = self._headers(webhook, event, body)
            call = Call("POST", webhook.url, self._rules.patience, headers, body)
            async with self._web.call(call) as answer:
                await _read_away(answer)
                verdict, status = judge(answer.status), answer.status
                error = None if verdict is Verdict.DELIVERED else f"http.{status}"
                return _Result(verdict, status, error, asked_pause(answer.headers))
        except SealBroken:
            return _Result(Verdict.FAILED, error=UNREADABLE)
        except BadUrl:  # it was one when it was set: ports that may be named have changed since
            return _Result(Verdict.FAILED, error=BAD_URL)
        except NoAnswer as error:
            return _Result(Verdict.FAILED, error=f"receiver.{error.fault}")

    def _headers(self, webhook: Webhook, event: int, body: bytes) -> dict[str, str]:
        now = self._clock.now()
        sealed = [webhook.secret]
        if webhook.old_secret is not None and webhook.old_secret_until is not None and webhook.old_secret_until > now:
            sealed.append(webhook.old_secret)
        keys = [self._sealer.open(secret, "webhooks", webhook.tenant, webhook.id) for secret in sealed]
        name = public_id(EVENT_PREFIX, event)
        return {
            "content-type": "application/json",
            **signed_headers(keys, event=name, timestamp=int(now.timestamp()), body=body),
        }

    async def _settle(
        self, connection: Connection, taken: TakenDelivery, result: _Result, milliseconds: int
    ) -> DeliveryState | str:
        """Write how the attempt went, and what that means for the webhook; return the delivery's state."""
        webhook = await get_webhook(connection, taken.webhook, tenant=taken.tenant, lock=True)
        if webhook is None:
            return "void"
        pause = pause_before_next(taken.attempt, self._rules.retries, spread=random.random())
        state = _state_after(result.verdict, pause)
        move_delivery(DeliveryState.PENDING, state)
        wait = max(pause or timedelta(), result.pause) if state is DeliveryState.PENDING else timedelta()
        tried = Tried(state, wait, result.status, result.error, milliseconds)
        if not await record_attempt(connection, taken, tried):
            return "void"
        if state is DeliveryState.DELIVERED:
            await note_webhook_success(connection, webhook.id, tenant=webhook.tenant)
            return state
        since = await note_webhook_failure(connection, webhook.id, tenant=webhook.tenant)
        if result.verdict is Verdict.GONE:
            await _switch_off(connection, webhook, DisabledReason.GONE)
        elif (
            state is DeliveryState.DEAD and since is not None and self._clock.now() - since >= self._rules.disable_after
        ):
            await _switch_off(connection, webhook, DisabledReason.FAILING)
        return state


def _state_after(verdict: Verdict, pause: timedelta | None) -> DeliveryState:
    if verdict is Verdict.DELIVERED:
        return DeliveryState.DELIVERED
    return DeliveryState.DEAD if verdict is Verdict.GONE or pause is None else DeliveryState.PENDING


async def _switch_off(connection: Connection, webhook: Webhook, reason: DisabledReason) -> None:
    """Switch the webhook off: what waits for it is given up, and the log says why."""
    current = await get_webhook(connection, webhook.id, tenant=webhook.tenant)
    if current is None or not current.enabled:
        return
    off = replace(current, disabled_reason=reason, revision=current.revision + 1)
    await update_webhook(connection, off)
    await give_up_pending(connection, webhook=webhook.id, error=SWITCHED_OFF)
    name = public_id(WEBHOOK_PREFIX, webhook.id)
    entry = Entry(action=Action.WEBHOOK_DISABLED, by=NOBODY, object=name, detail={"reason": reason.value})
    await record(connection, entry)


async def _read_away(answer: Answer) -> None:
    """Read a little of what the receiver says. Its status has said it all: an answer that breaks off counts, too."""
    read = 0
    with suppress(NoAnswer):
        async for chunk in answer.chunks():
            read += len(chunk)
            if read > MOST_ANSWER_BYTES:
                return
