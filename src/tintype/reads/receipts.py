"""The receipt of a purge: what was removed, and whether each address was seen to be gone."""

from tintype.db.images import tenant_of_image
from tintype.db.pool import Database
from tintype.db.purges import PurgeRecord, get_purge
from tintype.domain.actor import Actor, Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ImageRef
from tintype.domain.tokens import Token


class Receipts:
    """Finds receipts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, ref: ImageRef, *, actor: Actor | None, token: Token | None) -> PurgeRecord:
        """Return the purge of the image for whoever could delete it; to others there is none.

        `Problem`: not_found, auth.required without a credential.
        """
        async with self._database.lookup() as connection:
            tenant = await tenant_of_image(connection, ref)
        purge = None
        if tenant is not None:
            async with self._database.transaction(tenant) as connection:
                purge = await get_purge(connection, ref.id)
        if purge is None:
            raise Problem(Code.NOT_FOUND, "There is no receipt: no such image was purged.")
        if actor is not None and actor.may(Scope.IMAGES_DELETE, tenant=tenant or 0, owner=purge.owner):
            return purge
        if token is not None and token.id == ref.id and token.matches(purge.write_token_hash):
            return purge
        if actor is None and token is None:
            raise Problem(Code.AUTH_REQUIRED, "Send the delete token that the image had, or an API key as Bearer.")
        raise Problem(Code.NOT_FOUND, "There is no receipt: no such image was purged.")
