"""Work that an owner asks for: a size that is made now, and images that are processed again."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

import samples
from command_line import tintype
from product import Product, eventually, own_product
from queued import bury, image_number
from refusals import assert_problem
from tenants import another_tenant

IMAGES: Final = "/api/v1/images"
JSON: Final = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


def make(product: Product, image: dict[str, Any], body: object) -> Any:  # noqa: ANN401 -- JSON has no type
    answer = product.client.post(f"{IMAGES}/{image['id']}/variants", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["items"]


@pytest.fixture(scope="module")
def image(product: Product) -> dict[str, Any]:
    return product.settled(product.upload(samples.jpeg(3000, 1500, seed=1)))


def test_a_size_is_made_when_it_is_asked_for_in_every_format(product: Product, image: dict[str, Any]) -> None:
    before = product.metric("tintype_render_seconds_count")
    made = make(product, image, {"preset": "large"})
    assert [(each["preset"], each["format"], each["state"], each["width"], each["height"]) for each in made] == [
        ("large", "jpeg", "ready", 2048, 1024),
        ("large", "webp", "ready", 2048, 1024),
    ]
    for each in made:
        assert len(product.stranger.get(each["url"]).content) == each["bytes"]
    assert product.metric("tintype_render_seconds_count") == before + 2
    listed = product.client.get(f"{IMAGES}/{image['id']}/variants").json()["items"]
    assert [each for each in listed if each["preset"] == "large"] == made


def test_to_ask_again_costs_nothing(product: Product, image: dict[str, Any]) -> None:
    first = make(product, image, {"preset": "large", "format": "png"})
    before = product.metric("tintype_render_seconds_count")
    assert make(product, image, {"preset": "large", "format": "png"}) == first
    assert make(product, image, {"preset": "thumb"})[0]["width"] == 150
    assert product.metric("tintype_render_seconds_count") == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"preset": "gigantic"}, "preset"),
        ({"preset": "original"}, "preset"),
        ({"preset": ""}, "preset"),
        ({}, "preset"),
        ({"preset": 5}, "preset"),
        ({"preset": "large", "format": "exe"}, "format"),
        ({"transform": "w_400,h_300"}, "transform"),
        ({"preset": "large", "other": 1}, ""),
        ([], ""),
    ],
)
def test_what_cannot_be_made_is_refused_by_its_field(
    product: Product, image: dict[str, Any], body: object, field: str
) -> None:
    answer = product.client.post(f"{IMAGES}/{image['id']}/variants", json=body)
    problem = assert_problem(answer, 422, "request.invalid")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_body_that_is_no_json_is_unreadable(product: Product, image: dict[str, Any]) -> None:
    answer = product.client.post(f"{IMAGES}/{image['id']}/variants", content=b"{preset", headers=JSON)
    assert_problem(answer, 400, "request.unreadable")


def test_only_the_owner_has_a_size_made(product: Product) -> None:
    image = product.upload(samples.jpeg(1200, 900, seed=2), anonymous=True)
    product.settled(image)
    path, body = f"{IMAGES}/{image['id']}/variants", {"preset": "large", "format": "jpeg"}
    assert_problem(product.stranger.post(path, json=body), 401, "auth.required")
    wrong = {"upload-token": "ttw_" + "0" * 33}
    assert_problem(product.stranger.post(path, json=body, headers=wrong), 403, "auth.forbidden")
    with another_tenant(product) as theirs:
        assert_problem(theirs.post(path, json=body), 403, "auth.forbidden")
    token = {"upload-token": image["delete_token"]}
    assert product.stranger.post(path, json=body, headers=token).status_code == 201


def test_nothing_is_made_of_what_is_gone(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=3)))
    product.client.delete(f"{IMAGES}/{image['id']}")
    answer = product.client.post(f"{IMAGES}/{image['id']}/variants", json={"preset": "large"})
    assert_problem(answer, 409, "conflict")
    product.client.delete(f"{IMAGES}/{image['id']}?purge=true")
    answer = product.client.post(f"{IMAGES}/{image['id']}/variants", json={"preset": "large"})
    assert_problem(answer, 410, "image.gone")


# Again


def test_an_old_image_is_processed_by_the_recipe_of_today_as_its_next_version(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(1200, 900, seed=4)))
    old = '{"outputs": ["jpeg"], "presets": [["thumb", "w_50,h_50,fit_cover,q_80", true]]}'
    product.query("UPDATE images SET recipe = %s::jsonb WHERE id = %s", old, image_number(image))
    done = tintype("reprocess", image["id"], "--data", str(product.data))
    assert (done.returncode, "version 2" in done.stdout) == (0, True)
    assert eventually(lambda: product.settled(image)["version"] == 2)
    shown = product.settled(image)
    assert (shown["state"], sorted(shown["thumbnails"])) == ("ready", ["gallery", "medium", "thumb"])
    answer = product.stranger.get(f"/i/{image['id']}/thumb.jpg?v=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"/i/{image['id']}/thumb.jpg?v=2")
    refs = product.query("SELECT version FROM blob_refs WHERE image = %s", image_number(image))
    assert refs == [(2,)]
    assert product.client.delete(f"{IMAGES}/{image['id']}?purge=true").status_code == 204
    assert not [name for name in product.files("blobs") if image["sha256"] in name]


def test_an_image_of_the_recipe_of_today_keeps_its_version(product: Product) -> None:
    image = product.settled(product.upload(samples.jpeg(seed=5)))
    assert tintype("reprocess", image["id"], "--data", str(product.data)).returncode == 0
    assert product.settled(image)["version"] == 1


def test_what_cannot_be_processed_again_is_named_and_the_others_are(product: Product) -> None:
    trashed, failed = (product.settled(product.upload(samples.jpeg(seed=seed))) for seed in (6, 7))
    product.client.delete(f"{IMAGES}/{trashed['id']}")
    bury(product, failed)
    unknown = "img_" + "0" * 22
    done = tintype("reprocess", trashed["id"], unknown, "nonsense", failed["id"], "--data", str(product.data))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    assert failed["id"] in done.stdout
    assert product.settled(failed)["state"] == "ready"
