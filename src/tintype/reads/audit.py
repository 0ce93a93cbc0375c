"""The audit log as it is read: a page at a time, or all of it in bounded memory, newest first.

A cursor is the id of the last entry that was shown, as opaque text. An entry that a slow transaction appends later
stands where its moment was, not where its commit was.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from tintype.db.audit import AuditFilter, AuditRow, audit_page
from tintype.db.pool import Database
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, IMAGE_PREFIX, KEY_PREFIX, WIDTH, BadId, base62, from_base62

EXPORT_PAGE: Final = 500
"""Entries of one statement of an export: some 200 kB."""

MAX_OBJECT_CHARACTERS: Final = 64

_IMAGE_CHARACTERS: Final = len(IMAGE_PREFIX) + WIDTH
"""Of an image's public id without its secret."""

_ABOVE_ALL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first, and the cursor of the next page, None after the last."""

    entries: tuple[AuditRow, ...]
    next: str | None


class AuditLog:
    """Reads the audit log. Who may is the web layer's to say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, tenant: int, wanted: AuditFilter, cursor: str | None, limit: int) -> AuditPage:
        """Return at most `limit` of the tenant's entries after `cursor`; `Problem` for a cursor that is none."""
        before = _ABOVE_ALL if cursor is None else _parse_cursor(cursor)
        async with self._database.transaction(tenant) as connection:
            found = await audit_page(connection, wanted, before=before, limit=limit + 1)
        return AuditPage(found[:limit], base62(found[limit - 1].id) if len(found) > limit else None)

    async def everything(self, *, tenant: int, wanted: AuditFilter) -> AsyncIterator[tuple[AuditRow, ...]]:
        """Give every entry that is wanted, in pages; none is held while somebody reads slowly."""
        before = _ABOVE_ALL
        while True:
            async with self._database.transaction(tenant) as connection:
                found = await audit_page(connection, wanted, before=before, limit=EXPORT_PAGE)
            if found:
                yield found
                before = found[-1].id
            if len(found) < EXPORT_PAGE:
                return


def audit_actor(text: str | None) -> AuditFilter:
    """Return the filter that an account or a key is; `Problem` request.unreadable for what is neither."""
    if text is None:
        return AuditFilter()
    prefix, digits = text[: len(ACCOUNT_PREFIX)], text[len(ACCOUNT_PREFIX) :]
    try:
        number = from_base62(digits) if len(digits) == WIDTH else 1 << 63
    except BadId:
        number = 1 << 63
    if prefix not in {ACCOUNT_PREFIX, KEY_PREFIX} or number >= 1 << 63:
        raise Problem(Code.REQUEST_UNREADABLE, "actor is the id of an account (acc_…) or of a key (key_…).")
    return AuditFilter(actor=number) if prefix == ACCOUNT_PREFIX else AuditFilter(key=number)


def audit_object(text: str | None) -> str | None:
    """Return what the log calls the object: an image by the first half of its public id."""
    if text is None:
        return None
    if len(text) > MAX_OBJECT_CHARACTERS or "\0" in text:
        raise Problem(Code.REQUEST_UNREADABLE, "object is a public id, such as img_ and 22 letters and digits.")
    return text[:_IMAGE_CHARACTERS] if text.startswith(IMAGE_PREFIX) else text


def _parse_cursor(cursor: str) -> int:
    try:
        entry = from_base62(cursor) if len(cursor) == WIDTH else -1
    except BadId:
        entry = -1
    if not 0 <= entry <= _ABOVE_ALL:
        raise Problem(Code.REQUEST_UNREADABLE, "This cursor is none. Take the one that `next` of a list gave you.")
    return entry
