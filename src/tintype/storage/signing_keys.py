"""The keys that sign and verify addresses, remembered: delivery asks for them without asking the database.

What is remembered of a tenant's keys is believed for a few seconds, so every process knows of a rotation by then
without being told. While the database is away it is believed for as long as a deaf node serves what it has (I12).
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from tintype.db.audit import record
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.pool import Clash, Connection, Database
from tintype.db.signing_keys import (
    SigningKeyRow,
    insert_signing_key,
    list_signing_keys,
    signing_key_of_request,
    supersede_signing_keys,
)
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt
from tintype.domain.ids import base62
from tintype.domain.signing import KID_CHARACTERS, SECRET_BYTES, KeyState, SigningKey
from tintype.storage.sealing import SealBroken, Sealer

BELIEVED_SECONDS: Final = 3.0
"""A key that was retired is so everywhere within five seconds; the others are for the answer itself. One that is not
known yet is looked for at once: somebody may have made it just now."""

AWAY_SECONDS: Final = 50.0
"""How long keys are believed that cannot be read again, because the database is away."""

RENEWED_SECONDS: Final = 1.5
"""How old keys may be that are asked for all the time: then they are read again beside that, and nobody waits."""

RETRY_SECONDS: Final = 3.0
"""How long they are believed then before somebody tries again, who waits a second or two for it."""

REMEMBERED_TENANTS: Final = 1_000
"""Of which keys are kept, the latest asked for; some 300 bytes each."""

ATTEMPTS: Final = 3
"""A tenant's keys are made and rotated by people: whoever comes too late twice had better be told."""

_TABLE: Final = "signing_keys"


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The valid keys of a tenant, by name, as they were at `read`; they are believed `until` (monotonic)."""

    by_kid: dict[str, SigningKey]
    read: float
    until: float

    @property
    def fresh(self) -> bool:
        """Whether they are believed."""
        return time.monotonic() < self.until


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key with its row. Its secret is shown to whoever asked for it, and to nobody else ever again.

    `again` says that an earlier attempt with the same Idempotency-Key made it.
    """

    key: SigningKey
    row: SigningKeyRow
    again: bool = False


class SigningKeys:
    """Reads keys and remembers them; makes a tenant's first one."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._tenants: OrderedDict[int, TenantKeys] = OrderedDict()
        self._reads: dict[int, asyncio.Task[TenantKeys]] = {}

    def remembered(self, tenant: int, kid: str) -> SigningKey | None:
        """Return the key from memory, None when it is not known for sure. Waits for nothing."""
        keys, now = self._tenants.get(tenant), time.monotonic()
        if keys is None or now >= keys.until:
            return None
        if now - keys.read > RENEWED_SECONDS and tenant not in self._reads:
            self._read_for_all(tenant)
        return keys.by_kid.get(kid)

    async def find(self, tenant: int, kid: str) -> SigningKey | None:
        """Return the valid key of the tenant with this name, or None; `Problem` when that cannot be found out."""
        arrived, keys = time.monotonic(), self._tenants.get(tenant)
        for _ in range(2):  # a read that is under way may have begun before the key was made
            if keys is not None and ((keys.fresh and kid in keys.by_kid) or keys.read >= arrived):
                break
            keys = await asyncio.shield(self._read_for_all(tenant))
        return keys.by_kid.get(kid) if keys is not None else None

    async def listed(self, tenant: int) -> tuple[SigningKeyRow, ...]:
        """Return the tenant's valid keys as they are now, the one that signs first."""
        async with self._database.transaction(tenant) as connection:
            return await list_signing_keys(connection, tenant=tenant)

    async def signing(self, connection: Connection, tenant: int, by: Requester) -> SigningKey:
        """Return the key that signs for the tenant; the first one is made in this transaction.

        `Clash` when another process made it meanwhile: then this transaction is to be tried again.
        """
        for row in await list_signing_keys(connection, tenant=tenant):
            if row.state is KeyState.SIGNING:
                return self.opened(tenant, row)
        return (await self._make(connection, tenant, None, by)).key

    async def rotate(self, tenant: int, attempt: Attempt | None, by: Requester) -> MadeKey:
        """Make the key that signs from now on; the one before it verifies, the one before that is retired.

        A repeated `attempt` gets the same key. `Problem`: conflict when that key was rotated out meanwhile,
        idempotency.mismatch.
        """
        request = attempt.key.digest if attempt is not None else None
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction(tenant) as connection:
                    await answered_before(connection, tenant=tenant, attempt=attempt)
                    made = await self._made_before(connection, tenant, request)
                    if made is None:
                        await supersede_signing_keys(connection, tenant=tenant)
                        made = await self._make(connection, tenant, request, by)
                        await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=tenant)
            except (Clash, AnsweredMeanwhile):  # somebody else rotates in the same moment
                continue
            self.forget(tenant)
            return made
        raise Problem(Code.UNAVAILABLE, "Others change these keys at the moment. Try again.", retry_after=1)

    def opened(self, tenant: int, row: SigningKeyRow) -> SigningKey:
        """Return the key of a row; `Problem` when it is sealed under a server key that is not known here."""
        try:
            return SigningKey(row.kid, self._sealer.open(row.secret, _TABLE, tenant, row.kid))
        except SealBroken as error:
            message = "This server cannot open the key that signs. Its operator has to make another one."
            raise Problem(Code.UNAVAILABLE, message) from error

    def usable(self, tenant: int, rows: Iterable[SigningKeyRow]) -> dict[str, SigningKey]:
        """Return the keys that can be opened, by name; the others are named in the log, and verify nothing."""
        keys = {}
        for row in rows:
            try:
                keys[row.kid] = self.opened(tenant, row)
            except Problem as problem:
                structlog.get_logger("tintype.signing").error(
                    "signing_key_unusable", kid=row.kid, cause=str(problem.__cause__)
                )
        return keys

    def forget(self, tenant: int) -> None:
        """Ask for this tenant's keys again when they are next wanted."""
        self._tenants.pop(tenant, None)

    async def _made_before(self, connection: Connection, tenant: int, request: bytes | None) -> MadeKey | None:
        kid = await signing_key_of_request(connection, tenant=tenant, request=request) if request else None
        if kid is None:
            return None
        for row in await list_signing_keys(connection, tenant=tenant):
            if row.kid == kid:
                return MadeKey(self.opened(tenant, row), row, again=True)
        raise Problem(Code.CONFLICT, "The key that this request made is retired by now. Use another Idempotency-Key.")

    async def _make(self, connection: Connection, tenant: int, request: bytes | None, by: Requester) -> MadeKey:
        kid = base62(secrets.randbelow(62**KID_CHARACTERS), KID_CHARACTERS)
        key = SigningKey(kid, secrets.token_bytes(SECRET_BYTES))
        sealed = self._sealer.seal(key.secret, _TABLE, tenant, kid)
        made = await insert_signing_key(connection, tenant=tenant, kid=kid, secret=sealed, request=request)
        await record(connection, Entry(action=Action.SIGNING_KEY_MADE, by=by, detail={"kid": kid}))
        return MadeKey(key, SigningKeyRow(kid, KeyState.SIGNING, made, sealed))

    def _read_for_all(self, tenant: int) -> asyncio.Task[TenantKeys]:
        """Return the read that is under way, or begin one: many ask at once when what is remembered is too old."""
        if (under_way := self._reads.get(tenant)) is not None:
            return under_way
        task = self._reads[tenant] = asyncio.create_task(self._read(tenant))
        task.add_done_callback(lambda done: self._end_read(tenant, done))
        return task

    def _end_read(self, tenant: int, done: asyncio.Task[TenantKeys]) -> None:
        del self._reads[tenant]
        if not done.cancelled():
            done.exception()  # whoever waits for it is told; for a renewal nobody does

    async def _read(self, tenant: int) -> TenantKeys:
        began = time.monotonic()
        try:
            async with self._database.transaction(tenant) as connection:
                rows = await list_signing_keys(connection, tenant=tenant)
        except Problem:
            known = self._tenants.get(tenant)
            if known is None or began - known.read > AWAY_SECONDS:
                raise
            keys = replace(known, until=time.monotonic() + RETRY_SECONDS)
        else:
            keys = TenantKeys(self.usable(tenant, rows), began, began + BELIEVED_SECONDS)
        self._tenants[tenant] = keys
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > REMEMBERED_TENANTS:
            self._tenants.popitem(last=False)
        return keys
