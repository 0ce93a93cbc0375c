"""How often images were viewed: added up a batch at a time, each batch once; read as totals and by days."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of

SLOTS: Final = 8
"""Rows among which a popular image's count is spread, so that as many processes add to it without waiting."""

BATCH_DAYS: Final = 30
"""How long a batch's name is kept: by then a process that was killed has long been started again."""


@dataclass(frozen=True, slots=True)
class ViewCount:
    """Views of one image on one day (UTC)."""

    image: int
    day: date
    views: int


async def add_views(connection: Connection, *, batch: UUID, tenant: int, counts: Collection[ViewCount]) -> None:
    """Add a batch of the tenant's views, unless it was added before; views of purged images are dropped.

    The rows of the images are locked, in one order: a purge that runs now has either removed its image, which is seen,
    or finds what is added here and removes it.
    """
    slot = random.randrange(SLOTS)
    await connection.execute(
        """WITH
             once AS (INSERT INTO view_batches (tenant, batch) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1),
             counted AS (SELECT * FROM unnest(%s::int2[], %s::int8[], %s::date[], %s::int8[])
                           AS c (bucket, image, day, views) WHERE EXISTS (SELECT FROM once)),
             alive AS (SELECT bucket, id FROM images
                       WHERE (bucket, id) IN (SELECT bucket, image FROM counted) AND state <> 'purged'
                       ORDER BY bucket, id FOR SHARE),
             added AS (SELECT c.* FROM counted c JOIN alive a ON (a.bucket, a.id) = (c.bucket, c.image)
                       ORDER BY c.bucket, c.image, c.day),
             days AS (INSERT INTO view_days AS d (bucket, image, day, slot, tenant, views)
                      SELECT bucket, image, day, %s, %s, views FROM added
                      ON CONFLICT (bucket, image, day, slot) DO UPDATE SET views = d.views + EXCLUDED.views)
           INSERT INTO view_totals AS t (bucket, image, slot, tenant, views)
           SELECT bucket, image, %s, %s, sum(views)::int8 FROM added GROUP BY bucket, image ORDER BY bucket, image
           ON CONFLICT (bucket, image, slot) DO UPDATE SET views = t.views + EXCLUDED.views""",
        [
            tenant,
            batch,
            [bucket_of(count.image) for count in counts],
            [count.image for count in counts],
            [count.day for count in counts],
            [count.views for count in counts],
            *(slot, tenant, slot, tenant),
        ],
    )


async def total_views(connection: Connection, image_ids: Collection[int]) -> dict[int, int]:
    """Return the views of each of these images in all; an image that was never counted is not among them."""
    cursor = await connection.execute(
        """SELECT image, sum(views)::int8 FROM unnest(%s::int2[], %s::int8[]) AS asked (bucket, image)
           JOIN view_totals USING (bucket, image) GROUP BY image""",
        [[bucket_of(image) for image in image_ids], list(image_ids)],
    )
    return dict(await cursor.fetchall())


async def daily_views(connection: Connection, image_id: int, *, first: date, last: date) -> dict[date, int]:
    """Return the views of the image on each day from `first` to `last` that has any."""
    cursor = await connection.execute(
        """SELECT day, sum(views)::int8 FROM view_days
           WHERE bucket = %s AND image = %s AND day BETWEEN %s AND %s GROUP BY day""",
        [bucket_of(image_id), image_id, first, last],
    )
    return dict(await cursor.fetchall())


async def delete_views(connection: Connection, image_id: int) -> None:
    """Forget how often the image was viewed."""
    for table in (b"view_days", b"view_totals"):
        await connection.execute(
            b"DELETE FROM " + table + b" WHERE bucket = %s AND image = %s", [bucket_of(image_id), image_id]
        )


async def forget_batches(connection: Connection) -> None:
    """Forget the names of the tenant's batches that nobody can send again."""
    await connection.execute(
        "DELETE FROM view_batches WHERE added_at < now() - make_interval(days => %s)", [BATCH_DAYS]
    )
