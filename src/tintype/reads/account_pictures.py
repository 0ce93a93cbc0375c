"""The avatars and banners of accounts: whose row names an image, and whether there is something to show of it."""

from collections.abc import Mapping, Sequence

from tintype.db.images import get_images
from tintype.db.pool import Database
from tintype.domain.account import Account
from tintype.domain.image import SERVED, Image
from tintype.domain.visibility import BY_LINK


class AccountPictures:
    """Finds the pictures of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: int, accounts: Sequence[Account]) -> Mapping[int, Image]:
        """Return the avatars and banners that everybody may see, by their ids."""
        named = {image for account in accounts for image in (account.avatar, account.banner) if image is not None}
        if not named:
            return {}
        async with self._database.transaction(tenant) as connection:
            images = await get_images(connection, sorted(named))
        return {image.id: image for image in images if image.state in SERVED and image.visibility in BY_LINK}
