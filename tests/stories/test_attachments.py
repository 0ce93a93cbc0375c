"""Images that belong to something of the tenant's: later, or one of each; and what becomes of those nobody attached."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem, leaves_nothing
from reserving import UPLOADS, uploaded
from signed_in import SignedIn, signed_in

IMAGES: Final = "/api/v1/images"
ORDER: Final = {"type": "order", "id": "4711"}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    environment = {
        "TINTYPE_KINDS__SLIP__ATTACH": "order",
        "TINTYPE_KINDS__COVER__ATTACH": "order",
        "TINTYPE_KINDS__COVER__ONE_PER_OWNER": "on",
    }
    with passable_directory() as directory, start_product(directory / "data", environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def anna(product: Product) -> Iterator[SignedIn]:
    with signed_in(product) as account:
        yield account


def change(client: httpx.Client, image: dict[str, Any], **fields: Any) -> httpx.Response:  # noqa: ANN401 -- JSON
    return client.patch(f"{IMAGES}/{image['id']}", json=fields)


def hours_left(image: dict[str, Any]) -> float:
    return (datetime.fromisoformat(image["expires_at"]) - datetime.now(UTC)) / timedelta(hours=1)


def listed(client: httpx.Client, belongs: str) -> set[str]:
    answer = client.get(IMAGES, params={"attached_to": belongs, "kind": "cover"})
    return {image["id"] for image in answer.json()["items"]}


def test_what_belongs_to_nothing_yet_is_kept_once_it_is_attached(product: Product, anna: SignedIn) -> None:
    image = anna.upload(samples.jpeg(seed=1700), kind="slip")
    assert image["attached_to"] is None
    assert 23 < hours_left(image) <= 24
    assert_problem(change(anna.client, image, attach_to={"type": "shelf", "id": "1"}), 422, "request.invalid")
    named = change(anna.client, image, title="A slip", expires_at=None).json()
    assert named["expires_at"] == image["expires_at"]  # it still belongs to nothing
    attached = change(anna.client, image, attach_to=ORDER).json()
    assert (attached["attached_to"], attached["expires_at"]) == (ORDER, None)
    assert anna.client.get(IMAGES, params={"attached_to": "order:4711"}).json()["items"][0]["id"] == image["id"]
    assert_problem(change(anna.client, image, attach_to=None), 422, "request.invalid")
    long = anna.upload(samples.jpeg(seed=1701), kind="slip", expires_in=str(40 * 3600))
    assert hours_left(long) <= 24
    assert 39 < hours_left(change(anna.client, long, attach_to=ORDER).json()) <= 40
    stranger = product.stranger.post(IMAGES, content=samples.jpeg(seed=1702), params={"kind": "slip"}).json()
    headers = {"upload-token": stranger["delete_token"]}
    answer = product.stranger.patch(f"{IMAGES}/{stranger['id']}", json={"attach_to": ORDER}, headers=headers)
    assert answer.json()["expires_at"] is None


def test_what_nobody_attached_in_time_is_gone_from_everywhere(product: Product, anna: SignedIn) -> None:
    image = anna.upload(samples.jpeg(seed=1703), kind="slip")
    product.settled(image)
    statement = "UPDATE images SET expires_at = now(), attach_by = now() WHERE attach_by IS NOT NULL"
    product.query(statement)
    product.query("INSERT INTO procrastinate_jobs (queue_name, task_name, priority) VALUES ('tintype', 'sweep', 15)")
    gone = f"{IMAGES}/{image['id']}"
    assert eventually(lambda: anna.client.get(gone).status_code == 410, within=20)
    assert eventually(lambda: not {name for name in product.files("blobs") if image["sha256"] in name}, within=20)
    assert_problem(change(anna.client, image, attach_to=ORDER), 410, "image.gone")


def test_an_owner_shows_one_of_each_and_nobody_displaces_anothers(product: Product, anna: SignedIn) -> None:
    with signed_in(product) as ben:
        first = anna.upload(samples.jpeg(seed=1710), kind="cover", attach_to="order:1")
        his = ben.upload(samples.jpeg(seed=1711), kind="cover", attach_to="order:1")
        another = anna.upload(samples.jpeg(seed=1712), kind="cover", attach_to="order:2")
        second = anna.upload(samples.jpeg(seed=1713), kind="cover", attach_to="order:1")
        assert listed(anna.client, "order:1") == {second["id"]}
        assert listed(ben.client, "order:1") == {his["id"]}
        assert listed(product.client, "order:1") == {second["id"], his["id"]}
        assert listed(anna.client, "order:2") == {another["id"]}
        assert product.stranger.get(f"{IMAGES}/{first['id']}").status_code == 404
        assert_problem(anna.client.post(f"{IMAGES}/{first['id']}/restore"), 409, "conflict")
        assert anna.client.delete(f"{IMAGES}/{second['id']}").status_code == 204
        assert anna.client.post(f"{IMAGES}/{first['id']}/restore").status_code == 200
        assert_problem(anna.client.post(f"{IMAGES}/{second['id']}/restore"), 409, "conflict")
        later = anna.upload(samples.jpeg(seed=1714), kind="cover")
        attached = change(anna.client, later, attach_to={"type": "order", "id": "1"})
        assert attached.status_code == 200, attached.text
        assert listed(anna.client, "order:1") == {later["id"]}
        assert_problem(change(anna.client, later, attach_to={"type": "order", "id": "2"}), 422, "request.invalid")
    with leaves_nothing(product):
        file = {"file": samples.jpeg(seed=1715)}
        answer = product.stranger.post(IMAGES, files=file, data={"kind": "cover", "attach_to": "order:1"})
        assert_problem(answer, 401, "auth.required")


def test_of_many_sent_and_attached_at_once_one_is_left(product: Product, anna: SignedIn) -> None:
    waiting = [anna.upload(samples.jpeg(48, 48, seed=1730 + number), kind="cover") for number in range(4)]

    def send(number: int) -> int:
        if number < len(waiting):
            return change(anna.client, waiting[number], attach_to={"type": "order", "id": "9"}).status_code
        data = {"kind": "cover", "attach_to": "order:9"}
        return anna.client.post(IMAGES, files={"file": samples.jpeg(48, 48, seed=1730 + number)}, data=data).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {200, 201}
    live = product.query(
        "SELECT id FROM images WHERE attached_id = '9' AND kind = 'cover' AND state NOT IN ('trashed', 'purged')"
    )
    assert live == product.query("SELECT image FROM attachments WHERE id = '9'")


def test_a_purge_leaves_nothing_of_what_an_image_was_shown_of(product: Product, anna: SignedIn) -> None:
    shown = "SELECT count(*) FROM attachments WHERE id = 'purged-1'"
    image = anna.upload(samples.jpeg(seed=1740), kind="cover", attach_to="order:purged-1")
    assert product.query(shown) == [(1,)]
    assert anna.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code == 204
    assert product.query(shown) == [(0,)]
    replaced = anna.upload(samples.jpeg(seed=1741), kind="cover", attach_to="order:purged-1")
    anna.upload(samples.jpeg(seed=1742), kind="cover", attach_to="order:purged-1")
    assert anna.client.delete(f"{IMAGES}/{replaced['id']}", params={"purge": "true"}).status_code == 204
    assert product.query(shown) == [(1,)]  # that is another's by now


def test_which_one_somebody_shows_goes_with_their_account(product: Product) -> None:
    with signed_in(product) as somebody:
        somebody.upload(samples.jpeg(seed=1750), kind="cover", attach_to="order:5")
        shown = "SELECT count(*) FROM attachments WHERE owner = %s"
        assert product.query(shown, somebody.id) == [(1,)]
        assert somebody.client.delete("/api/v1/account").status_code == 202
        assert product.query(shown, somebody.id) == [(0,)]


def test_an_upload_in_steps_is_asked_the_same_when_it_is_reserved_and_waits_likewise(
    product: Product, anna: SignedIn
) -> None:
    data = samples.jpeg(seed=1760)
    wish = {"method": "put", "size": len(data), "kind": "slip"}
    with leaves_nothing(product):
        elsewhere = {**wish, "attach_to": {"type": "shelf", "id": "1"}}
        assert_problem(anna.client.post(UPLOADS, json=elsewhere), 422, "request.invalid")
        cover = {**wish, "kind": "cover", "attach_to": ORDER}
        assert_problem(product.stranger.post(UPLOADS, json=cover), 401, "auth.required")
    image = uploaded(product, anna.client, data, kind="slip")
    assert 23 < hours_left(image) <= 24
    assert change(anna.client, image, attach_to=ORDER).json()["expires_at"] is None
