"""What tenants and accounts keep, did and may keep: counted exactly, never passed, mended when it drifts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

import samples
from actors import Asker, Askers, everybody, make_person
from product import Product, eventually, own_product
from refusals import assert_problem, leaves_nothing
from tintype.cli import main
from tintype.domain.ids import public_id
from tintype.domain.invariant import Invariant
from upkeep import collect, verified

IMAGES: Final = "/api/v1/images"
USAGE: Final = "/api/v1/usage"
QUOTA: Final = "/api/v1/quota"
COUNTED_SECONDS: Final = 15.0
"""Requests are added up every five."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


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


# What mends it


def test_drift_is_counted_by_verify_and_mended_by_gc(product: Product, askers: Askers) -> None:
    client, _ = member(product, askers)
    with client:
        upload(client, 10)
        settle(product)
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
