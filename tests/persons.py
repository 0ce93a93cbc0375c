"""Accounts for tests of what happens to them, made row by row: how people sign up is told elsewhere."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from product import Product
from tintype.domain.ids import bucket_of, make_id, public_id
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token


@dataclass
class Person:
    """An account and a client that is signed in to it."""

    id: int
    handle: str
    client: httpx.Client

    @property
    def name(self) -> str:
        """The public id."""
        return public_id("acc_", self.id)


@contextmanager
def person(product: Product, *, role: str = "member") -> Iterator[Person]:
    """Give an account of the default tenant with a session that has just begun."""
    ((now, tenant),) = product.query(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8, id FROM tenants WHERE slug = 'default'"
    )
    account = make_id(now, secrets.randbelow(8192), secrets.randbelow(512))
    bucket, handle = bucket_of(account), f"person{account:x}"
    product.query(
        "INSERT INTO accounts (bucket, id, tenant, handle, email, role) VALUES (%s, %s, %s, %s, %s, %s)",
        *(bucket, account, tenant, handle, f"{handle}@example.org", role),
    )
    product.query("INSERT INTO handles (tenant, handle, account) VALUES (%s, %s, %s)", tenant, handle, account)
    product.query(
        "INSERT INTO emails (tenant, email, account) VALUES (%s, %s, %s)", tenant, f"{handle}@example.org", account
    )
    token = session(product, account, tenant)
    headers = {"authorization": f"Bearer {token.reveal()}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        yield Person(account, handle, client)


def session(product: Product, account: int, tenant: int, *, age: str = "0") -> Token:
    """Return the token of another session of the account, begun so long ago."""
    number = make_id(1_800_000_000_000 + secrets.randbelow(10**9), bucket_of(account), secrets.randbelow(512))
    token = Token(Purpose.SESSION, number, secrets.token_bytes(SECRET_BYTES))
    product.query(
        """INSERT INTO sessions (bucket, id, tenant, account, secret_hash, address, agent, created_at, expires_at)
           VALUES (%s, %s, %s, %s, %s, '192.0.2.7', 'tests', now() - %s::interval, now() + interval '1 day')""",
        *(bucket_of(account), number, tenant, account, token.hash, age),
    )
    return token


def key_of(product: Product, account: int, *scopes: str) -> str:
    """Return an API key that the account made, with these scopes."""
    token = Token(Purpose.API_KEY, secrets.randbits(60), secrets.token_bytes(SECRET_BYTES))
    product.query(
        """INSERT INTO api_keys (id, tenant, name, secret_hash, account, scopes)
           SELECT %s, tenant, 'a key', %s, id, %s FROM accounts WHERE id = %s""",
        *(token.id, token.hash, list(scopes), account),
    )
    return token.reveal()
