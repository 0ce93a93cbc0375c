"""The truth about what is kept: the images themselves, held against what is counted (`db/usage.py`).

An upload that is under way counts as one image of the bytes that were reserved for it.

Images and counts change in the same transactions, so one snapshot shows both as they belong together. What an account
has is compared in one statement; the tenant's images may be too many for one, so the caller freezes a transaction and
goes through them in pages.
"""

from typing import Final

from tintype.db.pool import Connection
from tintype.db.usage import Drift, Kept
from tintype.domain.quota import WHOLE_TENANT

PAGE_IMAGES: Final = 20_000
"""Images that are added up in one statement: some ten milliseconds."""

PAGE_ACCOUNTS: Final = 500


async def counted_for_tenant(connection: Connection, tenant: int) -> Kept:
    """Return what is counted for the tenant as a whole."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(bytes), 0)::int8, coalesce(sum(images), 0)::int8 FROM usage"
        " WHERE tenant = %s AND account = %s",
        [tenant, WHOLE_TENANT],
    )
    row = await cursor.fetchone()
    return Kept(*row) if row else Kept(0, 0)


async def add_up_images(connection: Connection, tenant: int) -> Kept:
    """Return what the tenant's images are, of every bucket, page by page, in a transaction that is frozen."""
    size, count = await _add_up_reservations(connection, tenant)
    before: int | None = (1 << 63) - 1
    while before is not None:
        cursor = await connection.execute(
            """SELECT coalesce(sum(size), 0)::int8, count(*), min(id) FROM (
                   SELECT id, size FROM images WHERE tenant = %s AND state <> 'purged' AND id < %s
                   ORDER BY id DESC LIMIT %s) AS page""",
            [tenant, before, PAGE_IMAGES],
        )
        row = await cursor.fetchone()
        if row is None:
            break
        size, count, before = size + row[0], count + row[1], row[2]
    return Kept(size, count)


async def _add_up_reservations(connection: Connection, tenant: int) -> tuple[int, int]:
    cursor = await connection.execute(
        "SELECT coalesce(sum(reserved), 0)::int8, count(*) FROM uploads WHERE tenant = %s AND ended_at IS NULL",
        [tenant],
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)


async def drifts_of_accounts(connection: Connection, *, tenant: int, after: int) -> tuple[list[Drift], int | None]:
    """Return the accounts above `after` whose count is not what their images are, and how far this page went.

    None: it was the last. An account has images, or a count, or both; its images may lie in any bucket.
    """
    cursor = await connection.execute(
        """WITH page AS MATERIALIZED (
               SELECT account FROM (
                   (SELECT DISTINCT owner AS account FROM images
                    WHERE tenant = %(tenant)s AND owner > %(after)s AND state <> 'purged' ORDER BY 1 LIMIT %(limit)s)
                   UNION
                   (SELECT DISTINCT owner AS account FROM uploads
                    WHERE tenant = %(tenant)s AND owner > %(after)s AND ended_at IS NULL ORDER BY 1 LIMIT %(limit)s)
                   UNION
                   (SELECT account FROM usage WHERE tenant = %(tenant)s AND account > %(after)s
                    ORDER BY 1 LIMIT %(limit)s)) AS known
               ORDER BY account LIMIT %(limit)s)
           SELECT account, coalesce(i.bytes, 0) + coalesce(r.bytes, 0) - coalesce(u.bytes, 0),
               coalesce(i.images, 0) + coalesce(r.images, 0) - coalesce(u.images, 0)
           FROM page,
               LATERAL (SELECT sum(size)::int8 AS bytes, count(*) AS images FROM images
                        WHERE tenant = %(tenant)s AND owner = account AND state <> 'purged') AS i,
               LATERAL (SELECT sum(reserved)::int8 AS bytes, count(*) AS images FROM uploads
                        WHERE tenant = %(tenant)s AND owner = account AND ended_at IS NULL) AS r,
               LATERAL (SELECT sum(bytes)::int8 AS bytes, sum(images)::int8 AS images FROM usage AS counted
                        WHERE counted.tenant = %(tenant)s AND counted.account = page.account) AS u
           ORDER BY account""",
        {"tenant": tenant, "after": after, "limit": PAGE_ACCOUNTS},
    )
    rows = [Drift(*row) for row in await cursor.fetchall()]
    return [row for row in rows if row.bytes or row.images], rows[-1].account if len(rows) == PAGE_ACCOUNTS else None


async def correct(connection: Connection, tenant: int, drift: Drift) -> None:
    """Add what is missing, or take what is too much; what room there was is shared out anew by the next upload."""
    await connection.execute("SELECT correct_usage(%s, %s, %s, %s)", [tenant, drift.account, drift.bytes, drift.images])
