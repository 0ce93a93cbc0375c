"""Images of accounts, asked of two API processes: who sees them, how soon a change acts, avatars and banners."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import httpx
import pytest

import samples
from event_stream import following
from everywhere import SOON, Everywhere, everywhere_of
from postgres import passable_directory
from product import Product, start_product
from refusals import assert_problem, leaves_nothing
from signed_in import SignedIn, signed_in
from tintype.domain.ids import ImageRef, bucket_of

IMAGES: Final = "/api/v1/images"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data", "--api-processes", "2") as running:
        yield running


@pytest.fixture(scope="module")
def everywhere(product: Product) -> Iterator[Everywhere]:
    with everywhere_of(product) as clients:
        yield clients


@pytest.fixture(scope="module")
def anna(product: Product) -> Iterator[SignedIn]:
    with signed_in(product) as account:
        yield account


@pytest.fixture(scope="module")
def ben(product: Product) -> Iterator[SignedIn]:
    with signed_in(product) as account:
        yield account


def ready(product: Product, account: SignedIn, seed: int, **fields: str) -> dict[str, Any]:
    return product.settled(account.upload(samples.jpeg(seed=seed), **fields))


def ways(image: dict[str, Any]) -> list[str]:
    """Return what shows something of an image: the page, its bytes, its metadata, and what describes it."""
    return [
        f"/p/{image['id']}",
        f"/i/{image['id']}/thumb?v=1",
        f"/i/{image['id']}/original.jpg",
        f"{IMAGES}/{image['id']}",
        f"{IMAGES}/{image['id']}/variants",
        f"{IMAGES}/{image['id']}/views",
    ]


def oembed(product: Product, image: dict[str, Any]) -> str:
    return f"/oembed?url={product.base_url}/p/{image['id']}"


def follow(product: Product, follower: SignedIn, followee: SignedIn) -> None:
    product.query(
        """INSERT INTO follows_out (bucket, follower, followee, tenant)
           SELECT %s, %s, %s, id FROM tenants WHERE slug = 'default'""",
        bucket_of(follower.id),
        follower.id,
        followee.id,
    )


def decide(moderator: SignedIn, account: SignedIn, state: str) -> None:
    answer = moderator.client.patch(f"/api/v1/accounts/{account.public_id}", json={"state": state})
    assert answer.status_code == 200, answer.text


def delete(product: Product, account: SignedIn) -> None:
    """Close the account as whoever does that has to: telling every process with the commit."""
    product.query(
        """WITH changed AS (UPDATE accounts SET state = 'deleted' WHERE bucket = %s AND id = %s RETURNING id)
           SELECT pg_notify('tintype_accounts', id::text) FROM changed""",
        bucket_of(account.id),
        account.id,
    )


@contextmanager
def idle_workers(product: Product) -> Iterator[None]:
    """Keep the workers from doing anything: what is uploaded stays in work until the end of the block."""
    workers = [pid for pid, command in product.children().items() if "run-worker" in command]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


# Who sees it


def test_a_private_image_is_its_owner_s_on_every_path_by_bearer_and_by_cookie(
    product: Product, everywhere: Everywhere, anna: SignedIn, ben: SignedIn
) -> None:
    image = ready(product, anna, 1600, visibility="private")
    for way in ways(image):
        assert everywhere.statuses(way) == {404}, way
        assert everywhere.statuses(way, **anna.cookie) == {200}, way
        assert everywhere.statuses(way, authorization=f"Bearer {anna.token}") == {200}, way
        assert everywhere.statuses(way, **ben.cookie) == {404}, way
        (kept,) = {answer.headers["cache-control"] for answer in everywhere.get(way, **anna.cookie)}
        assert kept in {"private, no-cache", "private, no-store", "no-store"}
    assert everywhere.statuses(oembed(product, image), **anna.cookie) == {404}
    assert "read_token" not in image


def test_followers_see_what_is_for_followers_from_the_next_look_and_only_while_they_follow(
    product: Product, everywhere: Everywhere, anna: SignedIn, ben: SignedIn
) -> None:
    image = ready(product, anna, 1601, visibility="followers")
    assert everywhere.statuses(*ways(image)) == {404}
    assert everywhere.statuses(*ways(image), **anna.cookie) == {200}
    assert everywhere.statuses(*ways(image), **ben.cookie) == {404}
    follow(product, anna, ben)  # the other way round is nothing
    assert everywhere.statuses(*ways(image), **ben.cookie) == {404}
    follow(product, ben, anna)
    assert everywhere.statuses(*ways(image), **ben.cookie) == {200}
    assert everywhere.statuses(oembed(product, image), **ben.cookie) == {404}
    product.query("DELETE FROM follows_out")
    assert everywhere.statuses(*ways(image), **ben.cookie) == {404}


def test_a_follower_may_look_and_nothing_else(product: Product, anna: SignedIn, ben: SignedIn) -> None:
    image = ready(product, anna, 1602, visibility="followers")
    follow(product, ben, anna)
    resource = f"{IMAGES}/{image['id']}"
    assert ben.client.get(resource).json()["source_sha256"] is None
    for method, path, body in (
        ("PATCH", resource, {"title": "Mine"}),
        ("DELETE", resource, None),
        ("POST", f"{resource}/signed-url", {"preset": "thumb"}),
        ("POST", f"{resource}/variants", {"preset": "thumb"}),
        ("GET", f"{resource}/receipt", None),
    ):
        assert_problem(ben.client.request(method, path, json=body), 404, "not_found")
    assert ben.client.get(IMAGES).json()["items"] == []
    product.query("DELETE FROM follows_out")


def test_only_an_image_of_an_account_is_for_followers(product: Product, anna: SignedIn) -> None:
    image = ready(product, anna, 1603)
    assert anna.client.patch(f"{IMAGES}/{image['id']}", json={"visibility": "followers"}).status_code == 200
    answer = product.stranger.post(IMAGES, files={"file": samples.jpeg()}, data={"visibility": "followers"})
    assert [error["field"] for error in assert_problem(answer, 422, "request.invalid")["errors"]] == ["visibility"]


# How soon a change acts


def test_a_visibility_that_changes_acts_everywhere(product: Product, everywhere: Everywhere, anna: SignedIn) -> None:
    image = ready(product, anna, 1604)
    everything = [*ways(image), oembed(product, image)]
    for _ in range(2):  # so that every process has it ready
        assert everywhere.statuses(*everything) == {200}
    anna.client.patch(f"{IMAGES}/{image['id']}", json={"visibility": "private"})
    assert everywhere.become(404, *everything)
    anna.client.patch(f"{IMAGES}/{image['id']}", json={"visibility": "unlisted"})
    assert everywhere.become(200, *everything)


def test_nothing_of_an_account_that_is_not_active_is_shown_whatever_opens_it(
    product: Product, everywhere: Everywhere
) -> None:
    with signed_in(product) as somebody, signed_in(product, role="moderator") as moderator:
        image = ready(product, somebody, 1605)
        hidden = ready(product, somebody, 1606, visibility="private")
        answer = somebody.client.post(f"{IMAGES}/{hidden['id']}/signed-url", json={"preset": "thumb"})
        everything = [*ways(image), oembed(product, image), answer.json()["url"]]
        ends: tuple[tuple[Callable[[], None], int], ...] = (
            (partial(decide, moderator, somebody, "suspended"), 403),
            (partial(delete, product, somebody), 401),
        )
        for end, refused in ends:
            assert everywhere.become(200, *everything)
            end()
            assert everywhere.become(404, *everything)
            assert_problem(product.stranger.patch(f"{IMAGES}/{image['id']}", json={}), 404, "not_found")
            assert somebody.client.get(IMAGES).status_code == refused
            for seen in everywhere.get(f"/i/{image['id']}/thumb?v=1", **moderator.cookie):
                assert (seen.status_code, seen.headers["cache-control"]) == (200, "private, no-cache")
            if refused == 403:
                decide(moderator, somebody, "active")


def revoke_session(product: Product, account: SignedIn) -> None:
    product.query("DELETE FROM sessions WHERE id = %s", account.session)


def test_a_stream_that_is_open_ends_when_who_follows_may_not_see_it_any_more(product: Product, anna: SignedIn) -> None:
    """A session is revoked, an account suspended, an image hidden. Nobody is told of the first."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        somebody = [stack.enter_context(signed_in(product)) for _ in range(3)]
        stack.enter_context(idle_workers(product))
        images = [anna.upload(samples.jpeg(48, 48, seed=1640 + each), visibility="followers") for each in range(3)]
        streams = []
        for account, image in zip(somebody, images, strict=True):
            follow(product, account, anna)
            stream = stack.enter_context(following(account.client, image["id"]))
            assert stream.answer.status_code == httpx.codes.OK
            events = iter(stream)
            assert next(events).data["state"] == "processing"
            streams.append(pool.submit(list, events))
        revoke_session(product, somebody[0])
        decide(stack.enter_context(signed_in(product, role="moderator")), somebody[1], "suspended")
        anna.client.patch(f"{IMAGES}/{images[2]['id']}", json={"visibility": "private"})
        assert [stream.result(timeout=SOON + 1) for stream in streams] == [[], [], []]
    product.query("DELETE FROM follows_out")


def test_a_revoked_session_opens_nothing_from_the_next_look(product: Product, everywhere: Everywhere) -> None:
    with signed_in(product) as somebody:
        image = ready(product, somebody, 1608, visibility="private")
        assert everywhere.statuses(*ways(image), **somebody.cookie) == {200}
        revoke_session(product, somebody)
        assert everywhere.statuses(*ways(image), **somebody.cookie) == {404}
        bearer = {"authorization": f"Bearer {somebody.token}"}
        assert everywhere.statuses(*ways(image)[1:], **bearer) == {401}


# Avatars and banners


def places(product: Product, account: SignedIn) -> tuple[int | None, int | None]:
    (row,) = product.query("SELECT avatar, banner FROM accounts WHERE id = %s", account.id)
    return row[0], row[1]


def number(image: dict[str, Any]) -> int:
    return ImageRef.parse(image["id"]).id


def test_an_account_has_one_avatar_and_one_banner_and_a_new_one_replaces_the_old(
    product: Product, everywhere: Everywhere
) -> None:
    with signed_in(product) as somebody:
        first, banner = somebody.show(samples.jpeg(seed=1610)), somebody.show(samples.jpeg(seed=1611), "banner")
        assert first["attached_to"] == {"type": "account", "id": somebody.public_id}
        assert places(product, somebody) == (number(first), number(banner))
        second = somebody.show(samples.jpeg(seed=1612))
        assert places(product, somebody) == (number(second), number(banner))
        assert everywhere.become(404, first["url"])
        assert everywhere.statuses(second["url"], banner["url"]) == {200}
        listed = somebody.client.get(IMAGES, params={"attached_to": f"account:{somebody.public_id}"}).json()["items"]
        assert {image["id"] for image in listed} == {second["id"], banner["id"]}
        trash = somebody.client.get(IMAGES, params={"state": "trashed"}).json()["items"]
        assert [image["id"] for image in trash] == [first["id"]]
        profile = product.stranger.get(f"/api/v1/accounts/{somebody.public_id}").json()
        assert profile["avatar"] == second["thumbnails"]["thumb"]
        assert everywhere.become(200, profile["avatar"], profile["banner"])
        somebody.client.delete(f"{IMAGES}/{second['id']}")
        assert somebody.client.get("/api/v1/account").json()["avatar"] is None
        somebody.client.post(f"{IMAGES}/{second['id']}/restore")
        assert somebody.client.get("/api/v1/account").json()["avatar"] == profile["avatar"]


def test_of_many_new_avatars_at_once_one_is_left(product: Product) -> None:
    with signed_in(product) as somebody, ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda seed: somebody.show(samples.jpeg(48, 48, seed=seed)), range(1620, 1628)))
        rows = product.query("SELECT id FROM images WHERE owner = %s AND state <> 'trashed'", somebody.id)
        assert [row[0] for row in rows] == [places(product, somebody)[0]]
        assert places(product, somebody)[0] in set(map(number, sent))


def test_an_avatar_is_set_by_its_account_alone_and_a_refusal_keeps_nothing(
    product: Product, anna: SignedIn, ben: SignedIn
) -> None:
    hers = f"account:{anna.public_id}"
    file = {"file": samples.jpeg(64, 64, seed=1630)}
    with signed_in(product, role="operator") as operator, leaves_nothing(product):
        for client in (ben.client, operator.client, product.client):
            answer = client.post(IMAGES, files=file, data={"kind": "avatar", "attach_to": hers})
            assert_problem(answer, 403, "auth.forbidden")
        answer = product.stranger.post(IMAGES, files=file, data={"kind": "avatar", "attach_to": hers})
        assert_problem(answer, 401, "auth.required")
        for fields in ({"kind": "avatar"}, {"kind": "banner", "attach_to": "order:1"}, {"attach_to": hers}):
            answer = anna.client.post(IMAGES, files=file, data=fields)
            assert [each["field"] for each in assert_problem(answer, 422, "request.invalid")["errors"]] == ["attach_to"]
    assert places(product, anna) == (None, None)


def test_an_avatar_stays_its_account_s(product: Product) -> None:
    with signed_in(product) as somebody:
        avatar, photo = somebody.show(samples.jpeg(seed=1631)), somebody.upload(samples.jpeg(seed=1632))
        account = {"type": "account", "id": somebody.public_id}
        for image, wish in ((avatar, None), (avatar, {"type": "order", "id": "1"}), (photo, account)):
            answer = somebody.client.patch(f"{IMAGES}/{image['id']}", json={"attach_to": wish})
            assert [each["field"] for each in assert_problem(answer, 422, "request.invalid")["errors"]] == ["attach_to"]
        assert somebody.client.patch(f"{IMAGES}/{avatar['id']}", json={"alt": "Me"}).status_code == 200
