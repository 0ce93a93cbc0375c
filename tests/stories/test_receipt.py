"""A purge leaves a receipt: what was removed, and the proof, asked of the server itself, that it is gone."""

from typing import Any, Final

import pytest

import samples
from killing import frozen, started
from product import Product, eventually
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"
PROVED_SECONDS: Final = 20.0


def resource(image: dict[str, Any]) -> str:
    return f"{IMAGES}/{image['id']}"


def purge(product: Product, image: dict[str, Any]) -> None:
    assert product.client.delete(f"{resource(image)}?purge=true").status_code == 204


def receipt(product: Product, image: dict[str, Any]) -> dict[str, Any]:
    return dict(product.client.get(f"{resource(image)}/receipt").json())


def test_the_receipt_names_every_address_and_proves_that_it_is_gone(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(2400, 1800, seed=840)))
    made = [f"/i/{image['id']}/{name}" for name in ("large.webp", "thumb.png")]
    for path in made:
        assert product.stranger.get(path).status_code == 200
    variants = [each["url"] for each in product.client.get(f"{resource(image)}/variants").json()["items"]]
    purge(product, image)
    assert eventually(lambda: receipt(product, image)["proved"] is not None, within=PROVED_SECONDS)
    shown = receipt(product, image)
    assert (shown["id"], shown["cause"], shown["proved"]) == (image["id"], "request", True)
    assert shown["purged_at"] <= shown["probed_at"]
    named = {each["url"] for each in shown["urls"]}
    handed_out = {image["url"], *image["thumbnails"].values(), image["page_url"], *variants}
    assert handed_out <= named
    assert all(any(path in url for url in named) for path in made)
    assert {(each["status"], each["gone"]) for each in shown["urls"]} == {(410, True)}
    assert shown["cache_tags"] == [image["id"]]


def test_prefer_answers_a_purge_with_its_receipt(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=841))
    answer = product.client.delete(f"{resource(image)}?purge=true", headers={"prefer": "return=representation"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "return=representation")
    assert (answer.json()["id"], answer.json()["cause"]) == (image["id"], "request")


def test_a_receipt_is_for_whoever_could_delete_the_image(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=842), anonymous=True)
    path, token = f"{resource(image)}/receipt", {"upload-token": image["delete_token"]}
    assert_problem(product.client.get(path), 404, "not_found")  # nothing was purged yet
    assert product.stranger.delete(f"{resource(image)}?purge=true", headers=token).status_code == 204
    assert product.stranger.get(path, headers=token).json()["id"] == image["id"]
    assert_problem(product.stranger.get(path), 401, "auth.required")
    assert_problem(product.stranger.get(path, headers={"upload-token": "ttw_" + "0" * 33}), 404, "not_found")
    with another_tenant(product) as theirs:
        assert_problem(theirs.get(path), 404, "not_found")
    assert_problem(product.client.get(f"{IMAGES}/img_{'0' * 22}/receipt"), 404, "not_found")


def test_an_address_that_still_shows_something_is_asked_again_and_is_no_proof_until_then(product: Product) -> None:
    image, other = (product.settled(product.upload(samples.jpeg(seed=843 + each))) for each in range(2))
    with frozen(*started(product, "worker")):
        purge(product, image)
        path = other["url"].removeprefix(product.base_url)
        product.query("UPDATE purges SET paths = paths || %s::text WHERE cache_tags = ARRAY[%s]", path, image["id"])
    assert eventually(lambda: receipt(product, image)["proved"] is False, within=PROVED_SECONDS)
    wrong = [each for each in receipt(product, image)["urls"] if not each["gone"]]
    assert [(each["url"], each["status"]) for each in wrong] == [(other["url"], 200)]
    purge(product, other)
    assert eventually(lambda: receipt(product, image)["proved"] is True, within=2 * PROVED_SECONDS)


# The hold


@pytest.mark.parametrize("trashed", [False, True])
def test_a_hold_refuses_a_purge_until_it_is_lifted(product: Product, *, trashed: bool) -> None:
    image = product.upload(samples.jpeg(seed=846 + trashed), anonymous=True)
    for _ in range(2):
        assert product.client.put(f"{resource(image)}/hold").status_code == 204
    if trashed:
        assert product.client.delete(resource(image)).status_code == 204
    token = {"upload-token": image["delete_token"]}
    for client, headers in ((product.client, {}), (product.stranger, token)):
        answer = client.delete(f"{resource(image)}?purge=true", headers=headers)
        assert_problem(answer, 409, "image.on_hold")
    assert {name for name in product.files("blobs") if image["sha256"] in name}
    for _ in range(2):
        assert product.client.delete(f"{resource(image)}/hold").status_code == 204
    purge(product, image)


def test_a_hold_is_the_operator_s(product: Product) -> None:
    image = product.upload(samples.jpeg(seed=848), anonymous=True)
    path, token = f"{resource(image)}/hold", {"upload-token": image["delete_token"]}
    for method in ("PUT", "DELETE"):
        assert_problem(product.stranger.request(method, path), 401, "auth.required")
        assert_problem(product.stranger.request(method, path, headers=token), 403, "auth.forbidden")
        with another_tenant(product) as theirs:
            assert_problem(theirs.request(method, path), 403, "auth.forbidden")
    purge(product, image)
    assert_problem(product.client.put(path), 410, "image.gone")
