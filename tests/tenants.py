"""A second tenant beside the default one, to try what it must not reach."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from product import Product
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token


@contextmanager
def another_tenant(product: Product) -> Iterator[httpx.Client]:
    """Give a client with an API key of a tenant that was just made."""
    tenant, token = (
        secrets.randbits(60),
        Token(Purpose.API_KEY, secrets.randbits(60), secrets.token_bytes(SECRET_BYTES)),
    )
    product.query("INSERT INTO tenants (id, slug) VALUES (%s, %s)", tenant, f"other-{tenant:x}")
    product.query(
        "INSERT INTO api_keys (id, tenant, name, secret_hash) VALUES (%s, %s, 'theirs', %s)",
        token.id,
        tenant,
        token.hash,
    )
    headers = {"authorization": f"Bearer {token.reveal()}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        yield client
