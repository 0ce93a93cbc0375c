"""What tus uploads have beside their rows in `uploads`: the client's headers, and who holds them.

Whoever receives bytes of an upload *holds* it. There may be several who think so: a connection that is dead on one
side looks alive on the other for minutes, and a process that was killed says nothing. So each hold has a number, its
epoch, and bytes count only under the newest. Whoever comes to an upload that is held *asks*: the holder, wherever it
runs, puts down what it has, and says that it did; one that does not is *fenced* by a new epoch.

The upload's own row is locked before this one. An upload that nobody began yet has none.
"""

from dataclasses import dataclass

from tintype.db.notify import UPLOADS_CHANNEL
from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of


@dataclass(frozen=True, slots=True)
class TusUpload:
    """What there is of a tus upload; `metadata` and `concat` are headers as they were sent."""

    metadata: str
    concat: str
    whole: int | None
    epoch: int
    held: bool
    answered: int


@dataclass(frozen=True, slots=True)
class Question:
    """That a holder, by its epoch, was asked; `number` is what `answered` will be at least."""

    epoch: int
    number: int


async def insert_tus_upload(connection: Connection, *, tenant: int, upload: int, metadata: str, concat: str) -> None:
    """Write down what the client said, unless it was before; the upload's own row is there."""
    await connection.execute(
        """INSERT INTO tus_uploads (bucket, upload, tenant, metadata, concat) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (bucket, upload) DO NOTHING""",
        [bucket_of(upload), upload, tenant, metadata, concat],
    )


async def get_tus_upload(connection: Connection, upload: int) -> TusUpload:
    """Return what there is."""
    cursor = await connection.execute(
        """SELECT metadata, concat, whole, epoch, held, answered FROM tus_uploads WHERE bucket = %s AND upload = %s""",
        [bucket_of(upload), upload],
    )
    row = await cursor.fetchone()
    return TusUpload(*row) if row else TusUpload("", "", None, 0, held=False, answered=0)


async def ask_holder(connection: Connection, upload: int) -> Question | None:
    """Ask whoever holds the upload, the moment this commits, to put down what it has; None: nobody does."""
    cursor = await connection.execute(
        """WITH asking AS (
               UPDATE tus_uploads SET asked = asked + 1
               WHERE bucket = %s AND upload = %s AND held RETURNING epoch, asked
           )
           SELECT epoch, asked, pg_notify(%s, concat_ws(' ', %s::int8, asked)) FROM asking""",
        [bucket_of(upload), upload, UPLOADS_CHANNEL, upload],
    )
    row = await cursor.fetchone()
    return Question(row[0], row[1]) if row else None


async def answer_question(connection: Connection, upload: int, *, epoch: int, number: int) -> bool:
    """Say that the holder put down what it had when it was asked, and return whether it still is the holder."""
    cursor = await connection.execute(
        """UPDATE tus_uploads SET answered = greatest(answered, %s)
           WHERE bucket = %s AND upload = %s AND epoch = %s RETURNING 1""",
        [number, bucket_of(upload), upload, epoch],
    )
    return await cursor.fetchone() is not None


async def take_hold(connection: Connection, *, tenant: int, upload: int) -> int:
    """Hold the upload and return the epoch; whoever held it holds it no more."""
    cursor = await connection.execute(
        """INSERT INTO tus_uploads AS t (bucket, upload, tenant, epoch, held) VALUES (%s, %s, %s, 1, true)
           ON CONFLICT (bucket, upload) DO UPDATE SET epoch = t.epoch + 1, held = true, answered = t.asked
           RETURNING epoch""",
        [bucket_of(upload), upload, tenant],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 -- it is there now
    return int(row[0])


async def lock_hold(connection: Connection, upload: int, epoch: int) -> bool:
    """Return whether the hold is still good, which it then is until the transaction ends."""
    cursor = await connection.execute(
        "SELECT epoch FROM tus_uploads WHERE bucket = %s AND upload = %s FOR UPDATE", [bucket_of(upload), upload]
    )
    row = await cursor.fetchone()
    return row is not None and row[0] == epoch


async def release_hold(connection: Connection, upload: int, epoch: int) -> None:
    """Hold the upload no more; somebody else's hold stays."""
    await connection.execute(
        "UPDATE tus_uploads SET held = false WHERE bucket = %s AND upload = %s AND epoch = %s",
        [bucket_of(upload), upload, epoch],
    )


async def fence(connection: Connection, upload: int, epoch: int) -> None:
    """Have nothing count any more that the holder with this epoch brings, and tell it, the moment this commits."""
    await connection.execute(
        """WITH fenced AS (
               UPDATE tus_uploads SET held = false, epoch = epoch + 1
               WHERE bucket = %s AND upload = %s AND epoch = %s RETURNING asked
           )
           SELECT pg_notify(%s, concat_ws(' ', %s::int8, asked)) FROM fenced""",
        [bucket_of(upload), upload, epoch, UPLOADS_CHANNEL, upload],
    )


async def note_whole(connection: Connection, upload: int, whole: int) -> None:
    """Write down which upload was made of this part."""
    await connection.execute(
        "UPDATE tus_uploads SET whole = %s, epoch = epoch + 1, held = false WHERE bucket = %s AND upload = %s",
        [whole, bucket_of(upload), upload],
    )


async def reserve_up_to(connection: Connection, upload: int, reserved: int) -> None:
    """Write down that so many bytes are counted for an upload of unknown length; to count them is the caller's."""
    await connection.execute(
        "UPDATE uploads SET reserved = %s WHERE bucket = %s AND id = %s AND reserved < %s",
        [reserved, bucket_of(upload), upload, reserved],
    )
