"""Everybody who may ask, written straight into the database: accounts with sessions, keys, another tenant with its own.

What they have is as the product would have made it, so whoever tests a route need not sign anybody up.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import httpx

from product import Product
from tintype.domain.ids import BUCKETS, NOISE, bucket_of, make_id, public_id
from tintype.domain.passkey import PASSKEY_PREFIX
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token


class Asker(StrEnum):
    """Who asks. The owner is a member who has a private image; everybody else is somebody else."""

    ANONYMOUS = "anonymous"
    OWNER = "owner"
    STRANGER = "stranger"
    SUSPENDED = "suspended"
    OTHER_KEY = "another tenant's key"
    OTHER_ACCOUNT = "another tenant's operator"
    MODERATOR = "moderator"
    OPERATOR = "operator"
    TENANT_KEY = "the tenant's key"
    UNSCOPED_KEY = "a key without any scope"
    EXPIRED_KEY = "an expired key"
    REVOKED_KEY = "a revoked key"


@dataclass(frozen=True)
class Person:
    """An account with a session."""

    id: int
    session: int
    handle: str
    token: str

    @property
    def public_id(self) -> str:
        """The account's id, as the API spells it."""
        return public_id("acc_", self.id)


@dataclass(frozen=True)
class Askers:
    """A client for each, and the accounts behind those that have one."""

    clients: Mapping[Asker, httpx.Client]
    people: Mapping[Asker, Person]
    tenant: int
    other_tenant: int


@contextmanager
def everybody(product: Product) -> Iterator[Askers]:
    """Make everybody who may ask, and give them."""
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    other = _new_id()
    product.query("INSERT INTO tenants (id, slug) VALUES (%s, %s)", other, f"other-{other:x}")
    people = {
        Asker.OWNER: make_person(product, tenant),
        Asker.STRANGER: make_person(product, tenant),
        Asker.SUSPENDED: make_person(product, tenant, state="suspended"),
        Asker.OTHER_ACCOUNT: make_person(product, other, role="operator"),
        Asker.MODERATOR: make_person(product, tenant, role="moderator"),
        Asker.OPERATOR: make_person(product, tenant, role="operator"),
    }
    past = datetime.now(UTC) - timedelta(seconds=1)
    keys = {
        Asker.OTHER_KEY: make_key(product, other),
        Asker.TENANT_KEY: make_key(product, tenant),
        Asker.UNSCOPED_KEY: make_key(product, tenant, scopes=[]),
        Asker.EXPIRED_KEY: make_key(product, tenant, expires_at=past),
        Asker.REVOKED_KEY: make_key(product, tenant, revoked_at=past),
    }
    bearers = keys | {asker: person.token for asker, person in people.items()}
    with ExitStack() as stack:
        clients = {asker: stack.enter_context(_client(product, bearers.get(asker))) for asker in Asker}
        yield Askers(clients, people, tenant, other)


def make_person(product: Product, tenant: int, *, role: str = "member", state: str = "active") -> Person:
    """Return an account of the tenant with a session that lasts for an hour."""
    account = _new_id()
    session = Token(Purpose.SESSION, _new_id(bucket_of(account)), secrets.token_bytes(SECRET_BYTES))
    handle = f"p{secrets.token_hex(6)}"
    product.query(
        """INSERT INTO accounts (bucket, id, tenant, handle, email, email_verified_at, role, state)
           VALUES (%s, %s, %s, %s, %s, now(), %s, %s)""",
        *(bucket_of(account), account, tenant, handle, f"{handle}@example.org", role, state),
    )
    product.query("INSERT INTO handles (tenant, handle, account) VALUES (%s, %s, %s)", tenant, handle, account)
    product.query(
        "INSERT INTO emails (tenant, email, account) VALUES (%s, %s, %s)", tenant, f"{handle}@example.org", account
    )
    product.query(
        """INSERT INTO sessions (bucket, id, tenant, account, secret_hash, expires_at)
           VALUES (%s, %s, %s, %s, %s, now() + interval '1 hour')""",
        *(bucket_of(session.id), session.id, tenant, account, session.hash),
    )
    return Person(account, session.id, handle, session.reveal())


def add_passkey(product: Product, person: Person) -> str:
    """Return the public id of a passkey that the account has; nothing can sign with it."""
    passkey = _new_id(bucket_of(person.id))
    product.query(
        """INSERT INTO passkeys (bucket, id, tenant, account, credential, public_key, sign_count, backed_up, name)
           SELECT bucket, %s, tenant, id, %s, 'none', 0, false, 'a passkey' FROM accounts WHERE id = %s""",
        *(passkey, secrets.token_bytes(16), person.id),
    )
    return public_id(PASSKEY_PREFIX, passkey)


def add_session(product: Product, person: Person) -> str:
    """Return the public id of another session of somebody's."""
    session = _new_id(bucket_of(person.id))
    product.query(
        """INSERT INTO sessions (bucket, id, tenant, account, secret_hash, expires_at)
           SELECT bucket, %s, tenant, account, secret_hash, expires_at FROM sessions WHERE id = %s""",
        *(session, person.session),
    )
    return public_id("ses_", session)


def make_key(
    product: Product,
    tenant: int,
    *,
    scopes: list[str] | None = None,
    account: int | None = None,
    expires_at: datetime | None = None,
    revoked_at: datetime | None = None,
) -> str:
    """Return an API key of the tenant, or of an account of it; without `scopes` it has them all."""
    token = Token(Purpose.API_KEY, _new_id(), secrets.token_bytes(SECRET_BYTES))
    product.query(
        """INSERT INTO api_keys (id, tenant, name, secret_hash, scopes, account, expires_at, revoked_at)
           VALUES (%s, %s, 'a key', %s, %s, %s, %s, %s)""",
        *(token.id, tenant, token.hash, scopes, account, expires_at, revoked_at),
    )
    return token.reveal()


def _client(product: Product, bearer: str | None) -> httpx.Client:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx.Client(base_url=product.base_url, headers=headers, timeout=30)


def _new_id(bucket: int | None = None) -> int:
    drawn = secrets.randbelow(BUCKETS) if bucket is None else bucket
    return make_id(time.time_ns() // 1_000_000, drawn, secrets.randbelow(NOISE))
