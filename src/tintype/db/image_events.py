"""Events about images, written to the outbox by the statements that cause them (`db/outbox.py` takes them out)."""

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.webhook import EventType


async def tell_of_image(connection: Connection, event: EventType, image_id: int) -> None:
    """Write the event about the image as it is now, if the tenant has a webhook for it.

    Nothing in the API waits for webhooks: what is written here commits with what it tells of. A purge takes from the
    outbox and from deliveries what was to be said, or was said, of the image before.
    """
    await connection.execute("SELECT tell_of_image(%s, %s, %s)", [event, bucket_of(image_id), image_id])


async def tell_of_upload(connection: Connection, event: EventType, upload_id: int) -> None:
    """Write the event about the image that an upload was to become, likewise."""
    await connection.execute("SELECT tell_of_upload(%s, %s, %s)", [event, bucket_of(upload_id), upload_id])
