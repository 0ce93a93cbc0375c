"""The story of a key's end: what it signed opens nothing any more, within seconds, wherever it is asked for."""

from tintype.db.audit import record
from tintype.db.pool import Database
from tintype.db.signing_keys import list_signing_keys, retire_signing_key
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.signing import KeyState
from tintype.storage.signing_keys import SigningKeys


class RetireSigningKey:
    """Retires keys that were rotated out."""

    def __init__(self, *, database: Database, keys: SigningKeys) -> None:
        self._database = database
        self._keys = keys

    async def __call__(self, tenant: int, kid: str, by: Requester) -> None:
        """Retire the key; `Problem` not_found when there is no such valid one, conflict when it signs."""
        async with self._database.transaction(tenant) as connection:
            if not await retire_signing_key(connection, tenant=tenant, kid=kid):
                rows = await list_signing_keys(connection, tenant=tenant)
                raise _refusal({row.kid: row.state for row in rows}.get(kid))
            await record(connection, Entry(action=Action.SIGNING_KEY_REVOKED, by=by, detail={"kid": kid}))
        self._keys.forget(tenant)


def _refusal(state: KeyState | None) -> Problem:
    if state is KeyState.SIGNING:
        return Problem(Code.CONFLICT, "This key signs. Make another one first; then it can be retired.")
    return Problem(Code.NOT_FOUND, "There is no such key that is valid.")
