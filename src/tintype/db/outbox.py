"""The outbox: events about images, written where they happen, taken once and deleted by whoever passes them on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tintype.db.images import COLUMNS, image_of_row
from tintype.db.pool import Connection
from tintype.domain.image import Image
from tintype.domain.webhook import EventType


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an image, and the image as it was right then."""

    id: int
    type: EventType
    occurred_at: datetime
    image_id: int
    snapshot: tuple[Any, ...] = field(repr=False)
    """The image's row."""

    @property
    def image(self) -> Image:
        """The image; raises whatever is wrong with a row that says less than today's rows do."""
        return image_of_row(self.snapshot)


async def tenants_with_events(connection: Connection, *, limit: int) -> tuple[int, ...]:
    """Return tenants whose events wait, from a look at `limit` events of any bucket: who passes on has no tenant."""
    cursor = await connection.execute("SELECT tenants_with_events(%s)", [limit])
    return tuple(row[0] for row in await cursor.fetchall())


async def take_events(connection: Connection, *, tenant: int, limit: int) -> tuple[Event, ...]:
    """Take events of the tenant out of the outbox, oldest first; those that somebody else is taking are left alone.

    From every bucket: events of one tenant are few for a moment, and an image of any of its accounts may be meant.
    """
    cursor = await connection.execute(
        b"WITH taken AS (DELETE FROM outbox WHERE (bucket, id) IN ("
        b"SELECT bucket, id FROM outbox WHERE tenant = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) "
        b"RETURNING id, type, occurred_at, image, snapshot) "
        b"SELECT taken.id AS event, taken.type, taken.occurred_at, taken.image, then_image.* "
        b"FROM taken CROSS JOIN LATERAL (SELECT "
        + COLUMNS.encode()
        + b" FROM jsonb_populate_record(NULL::images, taken.snapshot)) AS then_image ORDER BY taken.id",
        [tenant, limit],
    )
    return tuple(Event(row[0], EventType(row[1]), row[2], row[3], row[4:]) for row in await cursor.fetchall())
