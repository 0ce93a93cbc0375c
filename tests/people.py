"""People who use the product: each with an account, a session and a client of their own."""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from product import Product

PASSWORD: Final = "teapots sing in winter fog"  # noqa: S105 -- of nobody
API: Final = "/api/v1"


@dataclass
class Person:
    """Somebody with an account; `client` has the token of their session."""

    product: Product
    handle: str
    email: str
    token: str
    client: httpx.Client

    def another_session(self, *, agent: str = "a test", password: str = PASSWORD) -> "Person":
        """Return the same person on another device."""
        return signed_in(self.product, self.handle, self.email, agent=agent, password=password)


def signed_up(product: Product, handle: str, **more: Any) -> Person:  # noqa: ANN401 -- fields of a sign-up
    """Return somebody new, signed in."""
    wanted = {"handle": handle, "email": f"{handle}@people.example", "password": PASSWORD, **more}
    answer = product.stranger.post(f"{API}/accounts", json=wanted)
    assert answer.status_code == 201, answer.text
    return signed_in(product, answer.json()["handle"], wanted["email"], password=wanted["password"])


def signed_in(product: Product, handle: str, email: str, *, agent: str = "a test", password: str = PASSWORD) -> Person:
    """Return somebody on a device that is signed in by bearer."""
    answer = product.stranger.post(
        f"{API}/sessions", json={"login": handle, "password": password}, headers={"user-agent": agent}
    )
    product.stranger.cookies.clear()  # a stranger stays one
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    client = httpx.Client(base_url=product.base_url, timeout=30, headers={"authorization": f"Bearer {token}"})
    product.kept.append(client)
    return Person(product, handle, email, token, client)
