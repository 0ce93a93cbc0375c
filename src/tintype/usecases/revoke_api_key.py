"""The story of a key that is revoked: from the commit on it opens nothing, for it is looked up at every request.

How it fails: a key that is not the actor's to revoke is not there for them.
"""

from tintype.db.api_keys import get_key, revoke_key
from tintype.db.audit import record
from tintype.db.pool import Database
from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Action, Entry, Requester, key_object
from tintype.domain.errors import Code, Problem


class RevokeApiKey:
    """Revokes keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, actor: Actor, key: int, by: Requester) -> None:
        """Revoke the key; `Problem` not_found for one that is not there, or not the actor's."""
        async with self._database.transaction(actor.tenant) as connection:
            found = await get_key(connection, key, tenant=actor.tenant)
            if found is None or not actor.may(Scope.KEYS, tenant=actor.tenant, owner=found.account):
                raise Problem(Code.NOT_FOUND, "There is no such key.")
            await revoke_key(connection, key, tenant=actor.tenant)
            gone = Entry(action=Action.KEY_REVOKED, by=by, account=found.account, object=key_object(key))
            await record(connection, gone)
