"""An entry of the audit log as clients see it."""

from typing import Any, Literal

import msgspec

from tintype.db.audit import AuditRow
from tintype.domain.audit import ENTRY_PREFIX, Via, account_object, key_object
from tintype.domain.ids import public_id
from tintype.web.image_json import utc_time


class AuditActorJson(msgspec.Struct):
    """Who did it. `anonymous` showed no credential, `staff` is somebody who runs the place, `system` nobody."""

    type: Literal["account", "key", "anonymous", "staff", "command", "system"]
    id: str | None
    key: str | None


class AuditEntryJson(msgspec.Struct, kw_only=True):
    """An entry. `object` is what it was done to; an image's id there is the first half of its public id."""

    id: str
    at: str
    action: str
    result: Literal["done", "refused"]
    actor: AuditActorJson
    address: str | None
    account: str | None
    object: str | None
    detail: dict[str, Any]


class AuditListJson(msgspec.Struct):
    """A page, newest first: `next` is the cursor of what comes after it, null at the end."""

    items: list[AuditEntryJson]
    next: str | None


def present_entry(row: AuditRow, *, reader: int | None = None) -> AuditEntryJson:
    """Return the entry's JSON, whole, or as the account `reader` may see it.

    Nobody learns from their own log which moderator it was, or where a moderator lives.
    """
    others = reader is not None and _is_staff(row, reader)
    return AuditEntryJson(
        id=public_id(ENTRY_PREFIX, row.id),
        at=utc_time(row.at),
        action=row.action,
        result=row.result.value,
        actor=AuditActorJson("staff", None, None) if others else _actor(row),
        address=None if others else row.address,
        account=account_object(row.account) if row.account is not None else None,
        object=row.object,
        detail=row.detail,
    )


def _is_staff(row: AuditRow, reader: int) -> bool:
    return row.actor != reader and (row.actor is not None or row.key is not None)


def _actor(row: AuditRow) -> AuditActorJson:
    key = key_object(row.key) if row.key is not None else None
    if row.actor is not None:
        return AuditActorJson("account", account_object(row.actor), key)
    if key is not None:
        return AuditActorJson("key", key, key)
    if row.via is Via.API:
        return AuditActorJson("anonymous", None, None)
    return AuditActorJson("command" if row.via is Via.COMMAND else "system", None, None)
