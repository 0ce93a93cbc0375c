"""Which tables hold what of a person: what an export shows of them, and what goes with the account.

A table that has anything of an account is named here, or in `KEPT` with the reason why it stays; a test holds the list
against the schema, and `docs/privacy.md` tells people the same. Every statement names the account's bucket where the
table has one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, LiteralString

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of, public_id

PAGE_ROWS: Final = 500
"""Rows of an export that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalTable:
    """A table with rows of accounts. `select` gives what an export shows; None: nothing that a person could use."""

    name: str
    select: LiteralString | None = None
    delete: LiteralString | None = None
    """Removes every row of the account; None: it is emptied or kept otherwise."""
    trails: bool = False
    """Whether rows may come a moment later, from purges or from what a process has counted: they go last, and again."""
    prefix: str = ""
    """Of the public id that the column `id` is shown as."""


PERSONAL_TABLES: Final = (
    PersonalTable(
        name="accounts",
        prefix="acc_",
        select="""SELECT id, handle, email, email_verified_at, role, state, name, bio, links, private, created_at,
                      updated_at
                  FROM accounts WHERE bucket = %(bucket)s AND id = %(account)s""",
    ),
    PersonalTable(
        name="sessions",
        prefix="ses_",
        select="""SELECT id, address, agent, created_at, seen_at, expires_at FROM sessions
                  WHERE bucket = %(bucket)s AND account = %(account)s ORDER BY id""",
        delete="DELETE FROM sessions WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
    PersonalTable(
        name="api_keys",
        prefix="key_",
        select="""SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_keys
                  WHERE account = %(account)s ORDER BY id""",
        delete="DELETE FROM api_keys WHERE account = %(account)s",
    ),
    PersonalTable(
        name="emails",
        delete="DELETE FROM emails WHERE tenant = current_tenant() AND account = %(account)s",
    ),
    PersonalTable(
        name="mails",
        select="""SELECT kind, address, created_at, sent_at FROM mails
                  WHERE bucket = %(bucket)s AND account = %(account)s ORDER BY id""",
        delete="DELETE FROM mails WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
    PersonalTable(
        name="totp",
        select="""SELECT created_at, confirmed_at FROM totp
                  WHERE bucket = %(bucket)s AND account = %(account)s""",
        delete="DELETE FROM totp WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
    PersonalTable(
        name="recovery_codes",
        select="""SELECT used_at FROM recovery_codes
                  WHERE bucket = %(bucket)s AND account = %(account)s AND used_at IS NOT NULL""",
        delete="DELETE FROM recovery_codes WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
    PersonalTable(
        name="passkeys",
        prefix="psk_",
        select="""SELECT id, name, transports, backed_up, created_at, used_at FROM passkeys
                  WHERE bucket = %(bucket)s AND account = %(account)s ORDER BY id""",
        delete="DELETE FROM passkeys WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
    PersonalTable(
        name="identities",
        select="""SELECT provider, issuer, subject, created_at, used_at FROM identities
                  WHERE tenant = current_tenant() AND account = %(account)s""",
        delete="DELETE FROM identities WHERE tenant = current_tenant() AND account = %(account)s",
    ),
    PersonalTable(
        name="follows_out",
        select="""SELECT followee, created_at FROM follows_out
                  WHERE bucket = %(bucket)s AND follower = %(account)s ORDER BY followee""",
        delete="""DELETE FROM follows_out WHERE (bucket = %(bucket)s AND follower = %(account)s)
                      OR (tenant = current_tenant() AND followee = %(account)s)""",  # of whoever follows, in any shard
    ),
    PersonalTable(
        name="attachments",
        delete="""DELETE FROM attachments
                  WHERE bucket = %(bucket)s AND tenant = current_tenant() AND owner = %(account)s""",
    ),
    PersonalTable(
        name="idempotency_keys",
        delete="""DELETE FROM idempotency_keys
                  WHERE bucket = %(bucket)s AND tenant = current_tenant() AND account = %(account)s""",
    ),
    PersonalTable(
        name="uploads",
        prefix="upl_",
        select="""SELECT id, method, state, size, content_type, filename, kind, title, alt, tags, visibility, address,
                      created_at, expires_at, ended_at
                  FROM uploads WHERE tenant = current_tenant() AND owner = %(account)s ORDER BY id""",
        delete="DELETE FROM uploads WHERE tenant = current_tenant() AND owner = %(account)s",
        trails=True,
    ),
    PersonalTable(
        name="quotas",
        select="""SELECT max_bytes, max_images, updated_at FROM quotas
                  WHERE tenant = current_tenant() AND account = %(account)s""",
        delete="DELETE FROM quotas WHERE tenant = current_tenant() AND account = %(account)s",
    ),
    PersonalTable(
        name="usage_days",
        select="""SELECT day, sum(requests)::int8 AS requests, sum(uploads)::int8 AS uploads,
                      sum(bytes_in)::int8 AS bytes_in, sum(deletes)::int8 AS deletes
                  FROM usage_days WHERE tenant = current_tenant() AND account = %(account)s
                  GROUP BY day ORDER BY day""",
        delete="DELETE FROM usage_days WHERE tenant = current_tenant() AND account = %(account)s",
        trails=True,
    ),
    PersonalTable(
        name="account_exports",
        delete="DELETE FROM account_exports WHERE bucket = %(bucket)s AND account = %(account)s",
    ),
)

KEPT: Final[Mapping[str, str]] = {
    "accounts": "a stub without a word in it says that the account was deleted",
    "handles": "nobody else may have the name for a while",
    "images": "purged one by one: a stub goes on answering 410",
    "purges": "the receipts of the images",
    "blob_refs": "goes with each image",
    "audit_log": "what was done stays told until its time is over",
    "account_deletions": "the receipt",
    "usage": "numbers, of what a legal hold keeps or else nought",
    "challenges": "over within minutes, and swept",
}
"""Tables with a column that names an account, of which something stays when it is deleted, and why."""


async def rows_of(connection: Connection, table: PersonalTable, account: int) -> AsyncIterator[dict[str, Any]]:
    """Give what the export shows of a table, a row at a time, as JSON has it."""
    if table.select is None:
        return
    cursor = await connection.execute(table.select, _of(account))
    while rows := await cursor.fetchmany(PAGE_ROWS):
        names = [column.name for column in cursor.description or ()]  # known once there is an answer
        for row in rows:
            yield {name: _shown(name, value, table.prefix) for name, value in zip(names, row, strict=True)}


async def delete_rows(connection: Connection, account: int, *, last: bool) -> Mapping[str, int]:
    """Remove every row that goes with the account; return how many there were, by table. May be repeated.

    Before the `last` time, what trails stays.
    """
    removed: dict[str, int] = {}
    for table in PERSONAL_TABLES:
        if table.delete is not None and (last or not table.trails):
            counting: LiteralString = "WITH gone AS ({} RETURNING 1) SELECT count(*) FROM gone"
            cursor = await connection.execute(counting.format(table.delete), _of(account))
            row = await cursor.fetchone()
            removed[table.name] = int(row[0]) if row else 0
    return {name: count for name, count in removed.items() if count}


async def left_rows(connection: Connection, account: int) -> Sequence[str]:
    """Return the tables that still have a row that should have gone with the account."""
    left = []
    for table in PERSONAL_TABLES:
        if table.delete is not None and not table.trails:
            counting: LiteralString = table.delete.replace("DELETE FROM", "SELECT 1 FROM", 1) + " LIMIT 1"
            cursor = await connection.execute(counting, _of(account))
            if await cursor.fetchone() is not None:
                left.append(table.name)
    return left


def _of(account: int) -> dict[str, int]:
    return {"account": account, "bucket": bucket_of(account)}


_OTHERS: Final[Mapping[str, str]] = {"followee": "acc_"}
"""Columns that name something else, and what its public id begins with."""


def _shown(name: str, value: object, prefix: str) -> object:
    prefix = prefix if name == "id" else _OTHERS.get(name, "")
    if prefix and isinstance(value, int):
        return public_id(prefix, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
