"""What the owner of the database does at start: the first tenant, API keys, the application's login.

Synchronous, on the owner's connection, which row-level security does not bind: `tintype serve` and the command line run
it, never a request.
"""

import secrets
import time
from collections.abc import Set as AbstractSet
from datetime import timedelta

import psycopg
from psycopg import sql

from tintype.db.audit import record_as_owner
from tintype.domain.actor import EVERY_SCOPE, Scope
from tintype.domain.audit import CONSOLE, Action, Entry, key_object
from tintype.domain.ids import BUCKETS, NOISE, make_id
from tintype.domain.tenant import DEFAULT_SLUG
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token

SETUP_LINK_LIFETIME = timedelta(hours=24)
"""Whoever starts a server sets it up the same day; afterwards the link in its output is worth nothing."""


class NoSuchTenant(Exception):
    """There is no tenant of that name."""


def ensure_default_tenant(owner_url: str) -> Token | None:
    """Make the tenant `default` and an API key, if there is no tenant yet; return the key, or None."""
    with psycopg.connect(owner_url) as connection:
        inserted = connection.execute(
            "INSERT INTO tintype.tenants (id, slug) VALUES (%s, %s) ON CONFLICT (slug) DO NOTHING RETURNING id",
            [_new_id(), DEFAULT_SLUG],
        ).fetchone()
        return _insert_key(connection, inserted[0], "first key") if inserted else None


def create_api_key(
    owner_url: str,
    tenant: str,
    name: str,
    *,
    scopes: AbstractSet[Scope] | None = None,
    lifetime: timedelta | None = None,
) -> Token:
    """Return a new API key of the tenant with this slug; `NoSuchTenant` when there is none.

    It may do everything and lives for ever, unless `scopes` and `lifetime` say otherwise.
    """
    with psycopg.connect(owner_url) as connection:
        found = _tenant(connection, tenant)
        token = _insert_key(connection, found, name, scopes=scopes, lifetime=lifetime)
        said = " ".join(sorted(EVERY_SCOPE if scopes is None else scopes))
        made = Entry(action=Action.KEY_CREATED, by=CONSOLE, object=key_object(token.id), detail={"scopes": said})
        record_as_owner(connection, found, made)
        return token


def tenant_with_slug(owner_url: str, slug: str) -> int:
    """Return the id of the tenant with this slug; `NoSuchTenant` when there is none."""
    with psycopg.connect(owner_url) as connection:
        return _tenant(connection, slug)


def create_setup_link(owner_url: str, tenant: str) -> Token:
    """Return a one-time token that makes an operator of the tenant with this slug; `NoSuchTenant` without one."""
    token = Token(Purpose.SETUP, _new_id(), secrets.token_bytes(SECRET_BYTES))
    with psycopg.connect(owner_url) as connection:
        made = connection.execute(
            """INSERT INTO tintype.setup_links (id, tenant, secret_hash, expires_at)
               SELECT %s, id, %s, now() + %s FROM tintype.tenants WHERE slug = %s RETURNING 1""",
            [token.id, token.hash, SETUP_LINK_LIFETIME, tenant],
        ).fetchone()
    if made is None:
        raise NoSuchTenant(tenant)
    return token


def allow_login(owner_url: str, password: str) -> None:
    """Let `tintype_app` log in with `password`: the embedded database's API processes are nobody else."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(sql.SQL("ALTER ROLE tintype_app LOGIN PASSWORD {}").format(sql.Literal(password)))


def _tenant(connection: psycopg.Connection, slug: str) -> int:
    found = connection.execute("SELECT id FROM tintype.tenants WHERE slug = %s", [slug]).fetchone()
    if found is None:
        raise NoSuchTenant(slug)
    return int(found[0])


def _insert_key(
    connection: psycopg.Connection,
    tenant: int,
    name: str,
    *,
    scopes: AbstractSet[Scope] | None = None,
    lifetime: timedelta | None = None,
) -> Token:
    token = Token(Purpose.API_KEY, _new_id(), secrets.token_bytes(SECRET_BYTES))
    connection.execute(
        """INSERT INTO tintype.api_keys (id, tenant, name, secret_hash, scopes, expires_at)
           VALUES (%s, %s, %s, %s, %s, now() + %s)""",
        [token.id, tenant, name, token.hash, sorted(scopes) if scopes is not None else None, lifetime],
    )
    return token


def _new_id() -> int:
    return make_id(time.time_ns() // 1_000_000, secrets.randbelow(BUCKETS), secrets.randbelow(NOISE))
