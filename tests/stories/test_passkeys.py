"""Passkeys against a device in software: what is recognised, and every answer that must not be."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from authenticators import USER_PRESENT, Device, decoded
from factor_stories import TurnedClock, database_with_tenant, opened, somebody
from postgres import Server
from tintype.domain.errors import Code, Problem
from tintype.domain.oidc import base64url
from tintype.domain.own_account import Own
from tintype.domain.passkey import MAX_PASSKEYS, Passkey
from tintype.usecases.passkeys import Passkeys, Site

pytestmark = pytest.mark.anyio

SITE = Site.of("https://Photos.example:8443")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Owner:
    """An account, and the device of whoever has it."""

    passkeys: Passkeys
    url: str
    own: Own
    device: Device

    async def options(self) -> dict[str, Any]:
        """Return what a page gives to its browser to register a passkey."""
        given = await self.passkeys.registration_options(SITE, self.own, handle="ada")
        return dict(json.loads(given))

    async def register(self, credential: dict[str, Any] | None = None) -> Passkey:
        """Register a passkey, a new one of the device unless one is given."""
        credential = self.device.create(await self.options()) if credential is None else credential
        return (await self.passkeys.register(SITE, self.own, credential, name="telephone")).passkey

    async def asked(self) -> dict[str, Any]:
        """Return what a page gives to its browser to sign in."""
        return dict(json.loads(await self.passkeys.sign_in_options(SITE, tenant=self.own.tenant)))

    async def recognise(self, credential: dict[str, Any] | None = None) -> int:
        """Return who is recognised, by the device's answer unless another one is given."""
        credential = self.device.get(await self.asked()) if credential is None else credential
        return await self.passkeys.recognise(SITE, credential, tenant=self.own.tenant)

    async def refused(self, credential: dict[str, Any]) -> None:
        """Check that nobody is recognised by it."""
        with pytest.raises(Problem) as caught:
            await self.recognise(credential)
        assert caught.value.code is Code.AUTH_PASSKEY_INVALID

    def query(self, statement: str, *parameters: object) -> None:
        """Change something behind everybody's back."""
        with psycopg.connect(self.url, options="-c search_path=tintype") as connection:
            connection.execute(statement.encode(), parameters)


@pytest.fixture(scope="module")
def place(embedded_server: Server) -> tuple[str, int]:
    return database_with_tenant(embedded_server)


@pytest.fixture
async def owner(place: tuple[str, int]) -> AsyncIterator[Owner]:
    url, tenant = place
    async with opened(url) as database:
        passkeys = Passkeys(database=database, clock=TurnedClock(database))
        yield Owner(passkeys, url, somebody(tenant), Device(SITE.origin))


@pytest.mark.parametrize(
    ("base_url", "host", "origin"),
    [
        ("https://Photos.example", "photos.example", "https://photos.example"),
        ("https://photos.example:443", "photos.example", "https://photos.example"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://localhost:443", "localhost", "http://localhost:443"),
    ],
)
async def test_the_origin_of_a_site_is_written_as_browsers_do(base_url: str, host: str, origin: str) -> None:
    assert Site.of(base_url) == Site(host, origin)


async def test_whoever_registered_a_passkey_is_recognised_by_it_without_a_name(owner: Owner) -> None:
    passkey = await owner.register()
    asked = await owner.asked()
    assert asked["rpId"] == "photos.example"
    assert asked["userVerification"] == "required"
    assert not asked.get("allowCredentials")
    assert await owner.recognise(owner.device.get(asked)) == owner.own.account
    (shown,) = await owner.passkeys.of_account(owner.own)
    assert shown.id == passkey.id
    assert shown.used_at is not None
    assert shown.transports == ("internal",)
    assert shown.sign_count == 1


async def test_the_options_ask_for_a_passkey_that_is_found_without_a_name_and_unlocked(owner: Owner) -> None:
    first = await owner.register()
    options = await owner.options()
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert [item["id"] for item in options["excludeCredentials"]] == [base64url(first.credential)]
    assert decoded(options["user"]["id"]) == owner.own.account.to_bytes(8, "big")


async def test_an_answer_is_taken_once(owner: Owner) -> None:
    await owner.register()
    credential = owner.device.get(await owner.asked())
    await owner.recognise(credential)
    await owner.refused(credential)


async def test_a_registration_is_taken_once_and_from_whom_it_was_asked(owner: Owner) -> None:
    credential = owner.device.create(await owner.options())
    stranger = Owner(owner.passkeys, owner.url, somebody(owner.own.tenant), owner.device)
    with pytest.raises(Problem, match="not asked"):
        await stranger.register(credential)
    with pytest.raises(Problem, match="not asked"):
        await owner.register(credential)


async def test_a_challenge_is_good_for_five_minutes(owner: Owner) -> None:
    await owner.register()
    credential = owner.device.get(await owner.asked())
    owner.query("UPDATE challenges SET expires_at = now()")
    await owner.refused(credential)


async def test_a_challenge_to_register_signs_nobody_in(owner: Owner) -> None:
    await owner.register()
    await owner.refused(owner.device.get(await owner.options()))


async def test_a_counter_that_stands_still_is_a_copy_and_one_that_is_always_0_is_none(owner: Owner) -> None:
    await owner.register()
    await owner.recognise()
    owner.device.counts = False
    with pytest.raises(Problem, match="copy"):
        await owner.recognise()
    uncounted = Owner(owner.passkeys, owner.url, somebody(owner.own.tenant), Device(SITE.origin, counts=False))
    await uncounted.register()
    for _ in range(2):
        assert await uncounted.recognise() == uncounted.own.account


def other_origin(device: Device) -> None:
    device.origin = "https://photos.example.evil"


def other_port(device: Device) -> None:
    device.origin = "https://photos.example"


def other_host(device: Device) -> None:
    device.held[-1].host = "evil.example"


def nobody_unlocked_it(device: Device) -> None:
    device.flags = USER_PRESENT


def other_key(device: Device) -> None:
    device.held[-1].key = Device(SITE.origin).new_key()


def other_owner(device: Device) -> None:
    device.held[-1].handle = (7).to_bytes(8, "big")


def odd_owner(device: Device) -> None:
    device.held[-1].handle = b"\xff" * 8


def unknown_credential(device: Device) -> None:
    device.held[-1].credential = bytes(32)


@pytest.mark.parametrize(
    "bend",
    [
        *(other_origin, other_port, other_host, nobody_unlocked_it, other_key, other_owner, odd_owner),
        unknown_credential,
    ],
)
async def test_an_answer_that_is_not_sound_is_refused(owner: Owner, bend: Callable[[Device], None]) -> None:
    await owner.register()
    bend(owner.device)
    await owner.refused(owner.device.get(await owner.asked()))


@pytest.mark.parametrize("bend", [other_origin, other_port, nobody_unlocked_it])
async def test_a_registration_that_is_not_sound_is_refused(owner: Owner, bend: Callable[[Device], None]) -> None:
    bend(owner.device)
    with pytest.raises(Problem, match="not the answer of a passkey"):
        await owner.register()


@pytest.mark.parametrize("name", ["signature", "authenticatorData", "clientDataJSON", "userHandle"])
@pytest.mark.parametrize("value", [None, "", "AAAA", "!", 7, [], "A" * 3000])
async def test_what_is_no_answer_at_all_is_refused(owner: Owner, name: str, value: object) -> None:
    await owner.register()
    credential = owner.device.get(await owner.asked())
    credential["response"][name] = value
    await owner.refused(credential)


@pytest.mark.parametrize("credential", [{}, {"id": 1}, {"response": {}}, {"id": "a", "rawId": "a", "response": None}])
async def test_what_is_no_credential_at_all_is_refused(owner: Owner, credential: dict[str, Any]) -> None:
    await owner.refused(credential)
    with pytest.raises(Problem) as caught:
        await owner.register({**credential, "type": "public-key"})
    assert caught.value.code is Code.FACTOR_INVALID


async def test_another_tenant_s_passkey_is_not_known(owner: Owner) -> None:
    await owner.register()
    owner.query("INSERT INTO tenants (id, slug) VALUES (7, 'other') ON CONFLICT DO NOTHING")
    owner.own = replace(owner.own, tenant=7)
    await owner.refused(owner.device.get(await owner.asked()))


async def test_a_passkey_is_renamed_and_deleted_by_its_owner_alone(owner: Owner) -> None:
    passkey = await owner.register()
    for account in (owner.own.account ^ 1, owner.own.account ^ 1 << 12):
        other = replace(owner.own, account=account)
        with pytest.raises(Problem, match="no such passkey"):
            await owner.passkeys.rename(other, passkey.id, "mine")
        with pytest.raises(Problem, match="no such passkey"):
            await owner.passkeys.delete(other, passkey.id)
    renamed = await owner.passkeys.rename(owner.own, passkey.id, "key ring")
    assert renamed.name == "key ring"
    await owner.passkeys.delete(owner.own, passkey.id)
    await owner.refused(owner.device.get(await owner.asked()))


async def test_an_account_has_so_many_passkeys_and_each_once(owner: Owner) -> None:
    await owner.register()
    owner.query(
        """INSERT INTO passkeys (bucket, id, tenant, account, credential, public_key, sign_count, backed_up, name)
           SELECT bucket, id + number, tenant, account, credential || number::text::bytea, public_key, 0, false, 'old'
           FROM passkeys, generate_series(1, %s) AS number WHERE account = %s""",
        MAX_PASSKEYS - 1,
        owner.own.account,
    )
    with pytest.raises(Problem, match="at most"):
        await owner.register()
