"""The list of a tenant's images: skeleton (the ids of one page), hydrate (their rows). Who may ask is the web layer's.

A cursor is the id of the last image that was shown, as opaque text: the next page begins below it, whatever was
uploaded or deleted meanwhile.
"""

from dataclasses import dataclass
from typing import Final

from tintype.db.image_lists import ImageFilter, list_image_ids
from tintype.db.images import get_images
from tintype.db.pool import Database
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import WIDTH, BadId, base62, from_base62
from tintype.domain.image import Image

_ABOVE_ALL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Images, newest first, and the cursor of the next page, None after the last."""

    images: tuple[Image, ...]
    next: str | None


class ImageList:
    """Lists images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, tenant: int, wanted: ImageFilter, cursor: str | None, limit: int) -> Page:
        """Return at most `limit` of the tenant's images after `cursor`; `Problem` for a cursor that is none."""
        before = _ABOVE_ALL if cursor is None else parse_cursor(cursor)
        async with self._database.transaction(tenant) as connection:
            ids = await list_image_ids(connection, tenant=tenant, wanted=wanted, before=before, limit=limit + 1)
            images = await get_images(connection, ids[:limit]) if ids else ()
        return Page(images, make_cursor(ids[limit - 1]) if len(ids) > limit else None)


def make_cursor(image_id: int) -> str:
    """Return the cursor of what comes after the image."""
    return base62(image_id)


def parse_cursor(cursor: str) -> int:
    """Return the id in the cursor; `Problem` request.unreadable when `make_cursor` did not make it."""
    try:
        image_id = from_base62(cursor) if len(cursor) == WIDTH else -1
    except BadId:
        image_id = -1
    if not 0 <= image_id <= _ABOVE_ALL:
        raise Problem(Code.REQUEST_UNREADABLE, "This cursor is none. Take the one that `next` of a list gave you.")
    return image_id
