"""Which tenant a Host header leads to, and how much of it is remembered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tintype.web.auth import MAX_HOST_CHARACTERS, Authenticator

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Asked:
    """Stands where the database is, and notes the hosts that it is asked for; every one is tenant 7's."""

    def __init__(self) -> None:
        self.hosts: list[str] = []

    @asynccontextmanager
    async def lookup(self) -> AsyncIterator["Asked"]:
        """Give itself for a connection."""
        yield self

    async def execute(self, _: str, parameters: list[str]) -> "Asked":
        """Note the host."""
        self.hosts += parameters
        return self

    async def fetchone(self) -> tuple[Any, ...]:
        """Return the tenant."""
        return (7,)


async def hosts_asked_for(*hosts: str) -> list[str]:
    asked = Asked()
    authenticator = Authenticator(asked, cast("Any", None), server_key=b"")  # type: ignore[arg-type] # it is asked for hosts alone
    for host in hosts:
        assert await authenticator.tenant_of_host(host) == 7
    return asked.hosts


async def test_a_host_is_asked_for_once_however_it_is_written() -> None:
    assert await hosts_asked_for("Example.org", "example.org:8080", "EXAMPLE.ORG.:80") == ["example.org"]


async def test_hosts_that_are_too_long_to_be_names_are_all_nobody_s() -> None:
    longest = "x" * MAX_HOST_CHARACTERS
    too_long = [longest + "x", "y" * 60_000, "z" * 60_000 + ":80"]
    assert await hosts_asked_for(longest, *too_long) == [longest, ""]
