"""A delete goes into the trash: nothing is served from there, and whoever may delete may undo it."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

import samples
from killing import frozen, started
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem

IMAGES: Final = "/api/v1/images"
PROCESSES: Final = 2


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    arguments = ("--api-processes", str(PROCESSES))
    with passable_directory() as directory, start_product(directory / "data", *arguments) as running:
        yield running


def resource(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}"


def addresses(image: dict[str, Any]) -> list[str]:
    return [image["url"], *image["thumbnails"].values(), f"/i/{image['id']}/original", f"/i/{image['id']}/large.webp"]


def statuses(product: Product, image: dict[str, Any]) -> set[int]:
    """Return what strangers are answered for every address, often enough to hear every process."""
    return {httpx.get(httpx.URL(product.base_url).join(url)).status_code for url in addresses(image) for _ in range(4)}


def test_what_is_in_the_trash_is_served_to_nobody_and_seen_by_its_owner(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=700)))
    assert statuses(product, image) == {200}
    answer = product.client.delete(resource(image))
    assert (answer.status_code, answer.content) == (204, b"")
    assert eventually(lambda: statuses(product, image) == {404}, within=1)
    for path in (resource(image), f"{resource(image)}/variants", f"{resource(image)}?size=thumb", f"/p/{image['id']}"):
        assert_problem(product.stranger.get(path), 404, "not_found")
    shown = product.client.get(resource(image)).json()
    assert (shown["state"], shown["sha256"]) == ("trashed", image["sha256"])
    assert product.client.get(image["url"]).status_code == 404


def test_a_stranger_learns_nothing_of_what_is_in_the_trash(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=701), anonymous=True)
    product.client.delete(resource(image))
    wrong = {"upload-token": "ttw_" + "0" * 33}
    assert_problem(product.stranger.delete(resource(image), headers=wrong), 404, "not_found")
    assert_problem(product.stranger.post(f"{resource(image)}/restore"), 404, "not_found")


def test_a_restore_gives_back_the_state_and_every_address(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=702)))
    product.client.delete(resource(image))
    answer = product.client.post(f"{resource(image)}/restore")
    assert answer.status_code == 200
    assert {**answer.json(), "source_sha256": None} == {**image, "source_sha256": None}
    assert eventually(lambda: statuses(product, image) == {200}, within=1)


def test_the_holder_of_the_delete_token_sees_trashes_and_restores(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=703), anonymous=True, visibility="private"))
    given = product.upload(samples.jpeg(seed=704), anonymous=True)
    token = {"upload-token": given["delete_token"]}
    product.settled(given)
    assert product.stranger.delete(resource(given), headers=token).status_code == 204
    assert product.stranger.get(resource(given), headers=token).json()["state"] == "trashed"
    assert_problem(product.stranger.get(resource(image), headers=token), 404, "not_found")
    restored = product.stranger.post(f"{resource(given)}/restore", headers=token)
    assert (restored.status_code, restored.json()["state"]) == (200, "ready")


def test_trashing_twice_and_restoring_twice_change_nothing(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=705)))
    for _ in range(2):
        assert product.client.delete(resource(image)).status_code == 204
    tag = product.client.get(resource(image)).headers["etag"]
    product.client.delete(resource(image))
    assert product.client.get(resource(image)).headers["etag"] == tag
    tags = [product.client.post(f"{resource(image)}/restore").headers["etag"] for _ in range(2)]
    assert tags[0] == tags[1] != tag


def test_prefer_shows_what_came_of_the_delete(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=706))
    answer = product.client.delete(resource(image), headers={"prefer": "return=representation"})
    assert (answer.status_code, answer.json()["state"]) == (200, "trashed")
    assert answer.headers["preference-applied"] == "return=representation"
    assert answer.headers["etag"] == product.client.get(resource(image)).headers["etag"]


def test_what_is_purged_cannot_be_restored(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=707))
    product.client.delete(resource(image))
    assert product.client.delete(resource(image), params={"purge": "true"}).status_code == 204
    assert_problem(product.client.post(f"{resource(image)}/restore"), 410, "image.gone")
    assert_problem(product.client.get(image["url"]), 410, "image.gone")
    assert not {name for name in product.files("blobs") if image["sha256"] in name}


def test_an_image_that_was_trashed_before_it_was_processed_is_processed_after_the_restore(product: Product) -> None:
    with frozen(*started(product, "worker")):
        image = product.upload(samples.jpeg(seed=708))
        product.client.delete(resource(image))
    assert eventually(lambda: product.query("SELECT 1 FROM procrastinate_jobs") == [], within=30)
    assert product.client.get(resource(image)).json()["state"] == "trashed"
    assert product.client.post(f"{resource(image)}/restore").json()["state"] == "processing"
    assert product.settled(image)["state"] == "ready"


def test_a_delete_of_another_state_than_the_one_that_was_read_is_refused(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=709)))
    tag = product.client.get(resource(image)).headers["etag"]
    for stale in ('"0-0"', f"W/{tag}", ""):
        for purge in ("true", "false"):
            refused = product.client.delete(resource(image), headers={"if-match": stale}, params={"purge": purge})
            assert_problem(refused, 412, "precondition_failed")
    assert product.client.delete(resource(image), headers={"if-match": f'"0-0", {tag}'}).status_code == 204
    refused = product.client.post(f"{resource(image)}/restore", headers={"if-match": tag})
    assert_problem(refused, 412, "precondition_failed")
    assert product.client.post(f"{resource(image)}/restore", headers={"if-match": "*"}).status_code == 200


def test_a_purge_parameter_that_is_neither_true_nor_false_is_refused(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=710))
    assert_problem(product.client.delete(resource(image), params={"purge": "perhaps"}), 400, "request.unreadable")
    assert product.client.get(resource(image)).status_code == 200
