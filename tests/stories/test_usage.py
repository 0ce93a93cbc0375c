"""What tenants and accounts keep, did and may keep: counted exactly, never passed, mended when it drifts."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import samples
from actors import Asker, Askers, everybody, make_person
from product import Product, eventually
from refusals import assert_problem, leaves_nothing
from tintype.adapters.postgres_embedded import EmbeddedConfig, running_superuser_url
from tintype.cli import main
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.usage import SLOTS, count_usage, set_quota, standing
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import public_id
from tintype.domain.invariant import Invariant
from tintype.domain.quota import WHOLE_TENANT, DefaultQuotas, Quota, UsageChange
from upkeep import collect, verified

IMAGES: Final = "/api/v1/images"
USAGE: Final = "/api/v1/usage"
QUOTA: Final = "/api/v1/quota"
COUNTED_SECONDS: Final = 15.0
"""Requests are added up every five."""


@pytest.fixture(scope="module")
def askers(product: Product) -> Iterator[Askers]:
    with everybody(product) as found:
        yield found


@pytest.fixture
def other(askers: Askers) -> httpx.Client:
    """Give a client with the key of a tenant that nothing was uploaded to by other tests."""
    return askers.clients[Asker.OTHER_KEY]


def member(product: Product, askers: Askers) -> tuple[httpx.Client, str]:
    """Return a client of a new member of the default tenant, and the account's public id."""
    person = make_person(product, askers.tenant)
    headers = {"authorization": f"Bearer {person.token}"}
    return httpx.Client(base_url=product.base_url, headers=headers, timeout=30), person.public_id


def photo(seed: int) -> bytes:
    return samples.jpeg(40, 30, seed=seed)


def upload(client: httpx.Client, seed: int) -> dict[str, Any]:
    answer = client.post(IMAGES, content=photo(seed))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def kept(client: httpx.Client, **query: str) -> tuple[int, int]:
    """Return bytes and images that are kept now."""
    shown = client.get(USAGE, params=query).json()
    return shown["bytes"], shown["images"]


def purge(client: httpx.Client, image: dict[str, Any]) -> None:
    assert client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code == 204


# What is counted


def test_what_is_kept_follows_uploads_replacements_and_purges_for_account_and_tenant(
    product: Product, askers: Askers
) -> None:
    client, account = member(product, askers)
    with client:
        before = kept(product.client)
        image, twin = upload(client, 1), upload(client, 1)
        assert kept(client) == (image["bytes"] * 2, 2)
        assert kept(product.client) == (before[0] + image["bytes"] * 2, before[1] + 2)
        replaced = client.put(f"{IMAGES}/{image['id']}/content", content=samples.jpeg(90, 90, seed=2)).json()
        assert kept(client) == (replaced["bytes"] + twin["bytes"], 2)
        assert client.delete(f"{IMAGES}/{twin['id']}").status_code == 204
        assert kept(client)[1] == 2  # in the trash it is still kept
        purge(client, twin)
        assert kept(client) == kept(askers.clients[Asker.OPERATOR], account=account) == (replaced["bytes"], 1)
        purge(client, image)
        assert kept(client) == (0, 0)
    assert kept(product.client) == before


def test_a_refused_upload_counts_nothing(product: Product) -> None:
    before = kept(product.client)
    assert product.client.post(IMAGES, content=b"no image").status_code == 415
    assert kept(product.client) == before


def test_each_day_tells_requests_uploads_bytes_and_deletes(product: Product, askers: Askers) -> None:
    client, _ = member(product, askers)
    with client:
        images = [upload(client, seed) for seed in (3, 4)]
        purge(client, images[0])
        for _ in range(5):
            assert client.get(IMAGES).status_code == 200
        today = str(datetime.now(UTC).date())
        asked = {"from": str(datetime.now(UTC).date() - timedelta(days=2)), "to": today}
        looks = 0

        def requests() -> int:
            nonlocal looks
            looks += 1
            return int(client.get(USAGE, params=asked).json()["items"][-1]["requests"])

        assert eventually(lambda: requests() >= 8, within=COUNTED_SECONDS)
        shown = client.get(USAGE, params=asked).json()["items"]
        assert [day["day"] for day in shown][-1] == today
        assert len(shown) == 3
        assert shown[0] | {"day": ""} == {"day": "", "requests": 0, "uploads": 0, "bytes_in": 0, "deletes": 0}
        sent = sum(image["bytes"] for image in images)
        assert (shown[-1]["uploads"], shown[-1]["bytes_in"], shown[-1]["deletes"]) == (2, sent, 1)
        assert 8 <= shown[-1]["requests"] <= 8 + looks


def test_a_stranger_s_request_is_the_host_s_tenant_s_and_nobody_s_account_s(product: Product, askers: Askers) -> None:
    def requests() -> int:
        return int(product.client.get(USAGE).json()["items"][-1]["requests"])

    statement = "SELECT coalesce(sum(requests), 0) FROM usage_days WHERE tenant = %s AND account = 0"
    image = product.upload(photo(5))
    for _ in range(40):
        assert product.stranger.get(f"{IMAGES}/{image['id']}").status_code == 200
    assert eventually(lambda: product.query(statement, askers.tenant)[0][0] >= 40, within=COUNTED_SECONDS)
    assert requests() >= 40


def test_days_that_are_none_are_refused(product: Product) -> None:
    for query in ({"from": "yesterday"}, {"from": "2026-03-02", "to": "2026-03-01"}):
        assert_problem(product.client.get(USAGE, params=query), 400, "request.unreadable")


# Who sees and sets what


def test_a_member_sees_their_own_account_and_nobody_else_s(product: Product, askers: Askers) -> None:
    client, account = member(product, askers)
    with client:
        upload(client, 6)
        assert client.get(USAGE).json()["account"] == account
        assert client.get(USAGE, params={"account": account}).json()["account"] == account
        assert_problem(askers.clients[Asker.STRANGER].get(USAGE, params={"account": account}), 404, "not_found")
        assert_problem(askers.clients[Asker.OTHER_KEY].get(USAGE, params={"account": account}), 404, "not_found")
        assert askers.clients[Asker.OPERATOR].get(USAGE, params={"account": account}).json()["images"] == 1
        assert product.client.get(USAGE).json()["account"] is None


def test_a_tenant_cannot_raise_its_own_quota_and_the_installation_can(product: Product, askers: Askers) -> None:
    theirs = public_id("ten_", askers.other_tenant)
    other = askers.clients[Asker.OTHER_KEY]
    assert_problem(other.put(QUOTA, json={"max_images": None}), 403, "auth.forbidden")
    assert_problem(other.put(QUOTA, params={"tenant": theirs}, json={"max_images": None}), 403, "auth.forbidden")
    assert product.client.put(QUOTA, params={"tenant": theirs}, json={"max_images": 9}).status_code == 200
    assert other.get(QUOTA).json() == {"max_bytes": None, "max_images": 9}
    for log in (product.client, other):  # who decides, and for whom
        [entry, *_] = log.get("/api/v1/audit", params={"action": "tenant.quota_changed"}).json()["items"]
        assert (entry["object"], entry["detail"]) == (theirs, {"max_bytes": None, "max_images": 9})
    assert product.client.delete(QUOTA, params={"tenant": theirs}).status_code == 204
    assert other.get(QUOTA).json() == {"max_bytes": None, "max_images": None}
    for body in ({"max_images": -1}, {"max_bytes": "much"}, {"most": 1}, {"max_bytes": 1 << 63}):
        assert product.client.put(QUOTA, json=body).status_code == 422
    unknown = {"account": "acc_00000000001"}
    assert_problem(product.client.put(QUOTA, params=unknown, json={}), 404, "not_found")


# What is never passed


def test_of_fifty_uploads_at_once_at_the_edge_as_many_are_taken_as_fit(
    product: Product, askers: Askers, other: httpx.Client
) -> None:
    assert kept(other) == (0, 0)
    quota = {"max_images": 20}
    product.client.put(QUOTA, params={"tenant": public_id("ten_", askers.other_tenant)}, json=quota)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda seed: other.post(IMAGES, content=photo(seed)), range(100, 150)))
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [403] * 30
    for answer in answers:
        if answer.status_code == 403:
            assert_problem(answer, 403, "quota.exceeded")
    assert kept(other)[1] == 20
    taken = [answer.json() for answer in answers if answer.status_code == 201]
    purge(other, taken[0])
    assert other.post(IMAGES, content=photo(150)).status_code == 201  # at once: nobody is refused from memory
    assert_problem(other.post(IMAGES, content=photo(151)), 403, "quota.exceeded")


def settle(product: Product) -> None:
    """Wait until no job is left: what was refused is removed by one."""
    left = "SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND args ? 'tenant'"
    assert eventually(lambda: product.query(left) == [], within=30)


def test_an_account_s_quota_of_bytes_holds_for_uploads_and_replacements_and_leaves_nothing(
    product: Product, askers: Askers
) -> None:
    client, account = member(product, askers)
    with client:
        small = upload(client, 7)
        params = {"account": account}
        assert product.client.put(QUOTA, params=params, json={"max_bytes": small["bytes"] + 10}).status_code == 200
        settle(product)
        with leaves_nothing(product):
            assert_problem(client.post(IMAGES, content=photo(8)), 403, "quota.exceeded")
            larger = samples.jpeg(200, 200, seed=9)
            assert_problem(client.put(f"{IMAGES}/{small['id']}/content", content=larger), 403, "quota.exceeded")
        assert client.get(f"{IMAGES}/{small['id']}").json()["version"] == 1
        assert product.client.post(IMAGES, content=photo(8)).status_code == 201  # the tenant's own is no account's
        assert client.get(QUOTA).json() == {"max_bytes": small["bytes"] + 10, "max_images": None}
        assert client.get(USAGE).json()["quota"]["max_bytes"] == small["bytes"] + 10


@asynccontextmanager
async def opened(product: Product) -> AsyncIterator[Database]:
    url = running_superuser_url(EmbeddedConfig(data=product.data))
    assert url is not None
    database = Database(DatabaseConfig(url))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def tries(database: Database, tenant: int, size: int, defaults: DefaultQuotas, owner: int | None = None) -> bool:
    """Return whether an image of that size (one less, if it is negative) was let in."""
    change = UsageChange(bytes=size, images=1 if size > 0 else -1)
    try:
        async with database.transaction(tenant) as connection:
            await count_usage(connection, tenant=tenant, owner=owner, change=change, defaults=defaults)
    except Problem as problem:
        if problem.code is Code.QUOTA_EXCEEDED:
            return False
        raise
    return True


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 60)),
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("purge"), st.integers(0, 1_000)),
        st.tuples(st.just("quota"), st.sampled_from([None, 0, 1, 40, 100, 101, 400])),
    ),
    max_size=40,
)


@given(steps=STEPS, images=st.sampled_from([None, 3, 12]))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_after_the_other_an_upload_is_let_in_exactly_when_it_fits(
    product: Product, steps: Sequence[tuple[str, int | None]], images: int | None
) -> None:
    async def story() -> None:
        tenant, quota, sizes = new_tenant(product), Quota(None, images), list[int]()
        async with opened(product) as database:
            for step, number in steps:
                if step == "quota":
                    quota = Quota(number, images)
                elif step == "add":
                    assert number is not None
                    fits = quota.max_bytes is None or sum(sizes) + number <= quota.max_bytes
                    fits = fits and (images is None or len(sizes) < images)
                    assert await tries(database, tenant, number, DefaultQuotas(tenant=quota)) is fits
                    sizes += [number] if fits else []
                elif sizes:
                    assert number is not None
                    assert await tries(database, tenant, -sizes.pop(number % len(sizes)), DefaultQuotas(tenant=quota))
            async with database.transaction(tenant) as connection:
                found = await standing(connection, tenant=tenant, account=WHOLE_TENANT, default=quota)
        assert (found.kept.bytes, found.kept.images) == (sum(sizes), len(sizes))

    asyncio.run(story())


def new_tenant(product: Product) -> int:
    """Return a tenant that has nothing."""
    tenant = SLOTS + int(product.query("SELECT count(*) FROM tenants")[0][0])
    product.query("INSERT INTO tenants (id, slug) VALUES (%s, %s)", tenant, f"counted-{tenant}")
    return tenant


def test_uploads_and_purges_side_by_side_never_pass_the_quota_and_use_it_up(product: Product) -> None:
    most, size = 300, 7

    async def story() -> None:
        tenant, quota = new_tenant(product), DefaultQuotas(tenant=Quota(most))
        async with opened(product) as database:

            async def one(number: int) -> int:
                taken = 0
                for step in range(12):
                    if taken and (number + step) % 4 == 0:
                        assert await tries(database, tenant, -size, quota)
                        taken -= 1
                    taken += await tries(database, tenant, size, quota)
                return taken

            taken = sum(await asyncio.gather(*(one(number) for number in range(8))))
            while taken <= most // size and await tries(database, tenant, size, quota):
                taken += 1
            async with database.transaction(tenant) as connection:
                found = await standing(connection, tenant=tenant, account=WHOLE_TENANT, default=quota.tenant)
            assert found.kept.bytes == taken * size == most // size * size

    asyncio.run(story())


def test_a_quota_that_is_set_while_uploads_run_holds_for_what_begins_after_it(product: Product) -> None:
    async def story() -> None:
        tenant, free = new_tenant(product), DefaultQuotas()
        async with opened(product) as database:
            for _ in range(20):
                assert await tries(database, tenant, 5, free)
            for quota, fits in ((Quota(100), False), (Quota(105), True), (Quota(None, 21), False), (Quota(), True)):
                async with database.transaction(tenant) as connection:
                    await set_quota(connection, tenant=tenant, account=WHOLE_TENANT, quota=quota)
                assert await tries(database, tenant, 5, free) is fits

    asyncio.run(story())


# What mends it


def test_drift_is_counted_by_verify_and_mended_by_gc(product: Product, askers: Askers) -> None:
    client, _ = member(product, askers)
    with client:
        upload(client, 10)
        settle(product)
        collect(product)  # other tests counted what is no image
        assert verified(product) == []
        before, tenant_before = kept(client), kept(product.client)
        product.query("UPDATE usage SET bytes = bytes + 5 WHERE tenant = %s AND account > 0", askers.tenant)
        product.query("UPDATE usage SET images = images - 1 WHERE account = 0 AND slot = 0")
        product.query("DELETE FROM usage WHERE bytes = %s AND images = 1 AND account > 0", before[0] + 5)
        found = verified(product)
        assert {invariant for invariant, _ in found} == {Invariant.IDEMPOTENT}
        assert len(found) >= 2
        collect(product)
        assert verified(product) == []
        assert (kept(client), kept(product.client)) == (before, tenant_before)


# The command


def test_the_command_shows_and_sets_quotas(
    product: Product, askers: Askers, capsys: pytest.CaptureFixture[str]
) -> None:
    client, account = member(product, askers)
    client.close()

    def quota(*arguments: str) -> tuple[int, str]:
        status = main(["quota", *arguments, "--data", str(product.data)])
        return status, capsys.readouterr().out

    named = ("--account", account)
    assert quota("set", *named, "--bytes", "5GB", "--images", "1000")[0] == 0
    assert product.client.get(QUOTA, params={"account": account}).json() == {
        "max_bytes": 5_000_000_000,
        "max_images": 1000,
    }
    assert quota("set", *named, "--bytes", "none")[0] == 0
    status, said = quota("show", *named)
    assert status == 0
    assert "1,000" in said
    assert quota("clear", *named)[0] == 0
    assert product.client.get(QUOTA, params={"account": account}).json() == {"max_bytes": None, "max_images": None}
    for wrong in (("set", "--tenant", "nobody", "--images", "1"), ("set", *named, "--bytes", "lots"), ("set", *named)):
        assert quota(*wrong)[0] != 0
