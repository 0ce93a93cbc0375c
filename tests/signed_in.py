"""An account that is signed in, and what it sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from actors import make_person
from product import Product
from tintype.domain.ids import ACCOUNT_PREFIX, public_id


@dataclass
class SignedIn:
    """An account of the default tenant; `client` sends its session as a bearer, `cookie` is the same for a browser."""

    id: int
    session: int
    token: str = field(repr=False)
    client: httpx.Client = field(repr=False)

    @property
    def public_id(self) -> str:
        """How the API names it."""
        return public_id(ACCOUNT_PREFIX, self.id)

    @property
    def cookie(self) -> dict[str, str]:
        """The header that a browser sends by itself."""
        return {"cookie": f"tintype_session={self.token}"}

    def upload(self, data: bytes, **fields: str) -> dict[str, Any]:
        """Return the JSON of an acknowledged upload."""
        answer = self.client.post("/api/v1/images", files={"file": ("photo", data)}, data=fields)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return dict(answer.json())

    def show(self, data: bytes, place: str = "avatar") -> dict[str, Any]:
        """Upload the account's avatar or banner, and return its JSON."""
        return self.upload(data, kind=place, attach_to=f"account:{self.public_id}")


@contextmanager
def signed_in(product: Product, *, role: str = "member") -> Iterator[SignedIn]:
    """Give a new account with a session."""
    ((tenant,),) = product.query("SELECT id FROM tenants WHERE slug = 'default'")
    person = make_person(product, tenant, role=role)
    headers = {"authorization": f"Bearer {person.token}"}
    with httpx.Client(base_url=product.base_url, headers=headers, timeout=30) as client:
        yield SignedIn(person.id, person.session, person.token, client)
