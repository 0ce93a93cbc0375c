"""The API keys that somebody may see: a member's own, or all of the tenant's for its operator and its own keys."""

from dataclasses import dataclass

from tintype.db.api_keys import ApiKey, get_key, list_keys
from tintype.db.pool import Database
from tintype.domain.actor import Actor, Scope
from tintype.domain.errors import Code, Problem


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Keys, newest first; `more` says whether there are others after them."""

    keys: tuple[ApiKey, ...]
    more: bool


class ApiKeys:
    """Reads keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, actor: Actor, *, before: int, limit: int) -> KeyPage:
        """Return at most `limit` keys below `before`; `Problem` auth.forbidden for a key without the scope."""
        actor.need(Scope.KEYS)
        all_of_tenant = actor.may(Scope.KEYS, tenant=actor.tenant, owner=None)
        account = None if all_of_tenant else actor.account
        async with self._database.transaction(actor.tenant) as connection:
            keys = await list_keys(connection, tenant=actor.tenant, account=account, before=before, limit=limit + 1)
        return KeyPage(keys[:limit], len(keys) > limit)

    async def get(self, actor: Actor, key: int) -> ApiKey:
        """Return the key; `Problem` not_found for one that is not there, or not the actor's to see."""
        actor.need(Scope.KEYS)
        async with self._database.transaction(actor.tenant) as connection:
            found = await get_key(connection, key, tenant=actor.tenant)
        if found is None or not actor.may(Scope.KEYS, tenant=actor.tenant, owner=found.account):
            raise Problem(Code.NOT_FOUND, "There is no such key.")
        return found
