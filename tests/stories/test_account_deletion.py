"""Leaving: at once out of sight, then nothing left, whatever dies on the way, and whatever a backup brings back."""

import os
import signal
from collections.abc import Iterator
from typing import Any, Final

import pytest

import samples
from command_line import tintype
from killing import frozen, started
from persons import Person, key_of, person, session
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem
from sabotage import HASTY, sabotaged
from soundness import assert_sound
from tenants import another_tenant
from tintype.db.personal_data import KEPT, PERSONAL_TABLES

IMAGES: Final = "/api/v1/images"
ACCOUNT: Final = "/api/v1/account"
DONE_SECONDS: Final = 30.0


UNHURRIED: Final = """
    import asyncio
    from tintype.usecases.purge_image import PurgeImage

    with_account = PurgeImage.with_account

    async def take_time(self, tenant, image_id, account):
        await asyncio.sleep(0.1)
        return await with_account(self, tenant, image_id, account)

    PurgeImage.with_account = take_time
"""
"""So that there is a half way to be killed at."""


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Give a product that tries a job again at once, and takes its time with each image."""
    with passable_directory() as directory:
        environment = sabotaged(directory / "unhurried", HASTY + UNHURRIED) | {"TINTYPE_JOBS__RETRY_SECONDS": "0.2"}
        with start_product(directory / "data", environment=environment) as running:
            yield running


def upload(who: Person, seed: int) -> dict[str, Any]:
    answer = who.client.post(IMAGES, files={"file": ("a", samples.jpeg(64, 48, seed=seed))})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def leave(who: Person) -> dict[str, Any]:
    answer = who.client.delete(ACCOUNT)
    assert answer.status_code == 202, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert answer.headers["location"].endswith(answer.json()["id"])
    return dict(answer.json())


def receipt(product: Product, leaving: dict[str, Any], **query: str) -> dict[str, Any]:
    path = f"/api/v1/account-deletions/{leaving['id']}"
    answer = product.stranger.get(path, params=query, headers={"deletion-token": leaving["token"]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def finished(product: Product, leaving: dict[str, Any]) -> dict[str, Any]:
    """Return the receipt once nothing is left to do."""
    assert eventually(lambda: receipt(product, leaving)["state"] == "done", within=DONE_SECONDS)
    return receipt(product, leaving)


def test_who_leaves_is_gone_at_once_and_nothing_of_them_is_left(product: Product) -> None:
    with person(product) as ann:
        key = key_of(product, ann.id, "images:read")
        images = [upload(ann, 950 + number) for number in range(3)]
        for image in images:
            product.settled(image)
            assert product.stranger.get(image["url"]).status_code == 200
        with frozen(*started(product, "worker")):  # what is at once is no job's
            leaving = leave(ann)
            assert leaving["removed"]["sessions"] == 1
            assert leaving["removed"]["api_keys"] == 1
            assert_problem(ann.client.get("/api/v1/account/audit"), 401, "auth.required")
            refused = product.stranger.get(IMAGES, headers={"authorization": f"Bearer {key}"})
            assert_problem(refused, 401, "auth.required")
            urls = [image["url"] for image in images]
            assert eventually(lambda: {product.stranger.get(url).status_code for url in urls} == {404})
            assert receipt(product, leaving)["state"] == "under_way"
        done = finished(product, leaving)
        assert done["images_purged"] == 3
        assert done["held"] == []
        assert {each["id"] for each in done["images"]} == {image["id"] for image in images}
        assert {each["cause"] for each in done["images"]} == {"account"}
        assert eventually(
            lambda: all(each["proved"] for each in receipt(product, leaving)["images"]), within=DONE_SECONDS
        )
        assert {product.stranger.get(image["url"]).status_code for image in images} == {410}
        hashes = {image["sha256"] for image in images}
        assert not [name for name in product.files("blobs") if any(sha256 in name for sha256 in hashes)]
        assert words_left(product, ann) == []
        told = product.client.get("/api/v1/audit", params={"object": ann.name}).json()["items"]
        assert [entry["action"] for entry in told] == ["account.deleted", "account.deletion_asked"]
        assert [entry["actor"]["type"] for entry in told] == ["system", "account"]


def words_left(product: Product, who: Person) -> list[str]:
    """Return the tables in which a word of the person's is left; the name's own row may be."""
    tables = [
        name for (name,) in product.query("SELECT tablename FROM pg_tables WHERE schemaname = 'tintype'")
        if name != "handles" and not name.startswith("procrastinate")
    ]  # fmt: skip
    return [name for name in tables if _has_word(product, name, who.handle)]


def _has_word(product: Product, table: str, word: str) -> bool:
    return bool(product.query(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s LIMIT 1", f"%{word}%"))  # noqa: S608 -- a table's name


def test_the_name_is_reserved_for_a_while_and_the_address_is_free(product: Product) -> None:
    with person(product) as ann:
        finished(product, leave(ann))
        assert product.query("SELECT account FROM handles WHERE handle = %s", ann.handle) == [(ann.id,)]
        assert product.query("SELECT 1 FROM emails WHERE account = %s", ann.id) == []
        product.query(
            "UPDATE account_deletions SET requested_at = now() - interval '91 days' WHERE account = %s", ann.id
        )
        product.query("UPDATE periodic_tasks SET due_at = now() WHERE name = 'sweep_privacy'")
        assert eventually(
            lambda: not product.query("SELECT 1 FROM handles WHERE handle = %s", ann.handle), within=DONE_SECONDS
        )


def test_a_legal_hold_keeps_the_image_out_of_sight_and_the_receipt_says_so(product: Product) -> None:
    with person(product) as ann:
        held, other = upload(ann, 960), upload(ann, 961)
        assert product.client.put(f"{IMAGES}/{held['id']}/hold").status_code == 204
        leaving = leave(ann)
        done = finished(product, leaving)
        assert (done["held"], done["images_purged"]) == ([held["id"]], 1)
        assert eventually(lambda: product.stranger.get(held["url"]).status_code == 404)
        assert product.stranger.get(other["url"]).status_code == 410
        assert [name for name in product.files("blobs") if held["sha256"] in name]
        assert product.client.delete(f"{IMAGES}/{held['id']}/hold").status_code == 204
        assert product.client.delete(f"{IMAGES}/{held['id']}?purge=true").status_code == 204
        assert receipt(product, leaving)["held"] == []


def test_a_worker_killed_half_way_leaves_the_rest_to_the_next(product: Product) -> None:
    with person(product) as ann:
        images = [upload(ann, 970 + number) for number in range(12)]
        leaving = leave(ann)
        assert eventually(lambda: 0 < receipt(product, leaving)["images_purged"] < len(images), within=DONE_SECONDS)
        for pid in started(product, "worker"):
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: receipt(product, leaving)["state"] == "done", within=3 * DONE_SECONDS)
        done = receipt(product, leaving)
        assert done["images_purged"] == len(images)
        done["removed"].pop("usage_days", None)  # it goes after the images
        assert done["removed"] == leaving["removed"]
        assert_sound(product)


def test_a_restored_backup_does_not_bring_the_account_back(product: Product) -> None:
    with person(product) as ann:
        image = upload(ann, 990)
        kept = [product.query("SELECT * FROM accounts WHERE id = %s", ann.id)]
        leaving = finished(product, leave(ann))
        assert kept
        product.query("DELETE FROM account_deletions WHERE account = %s", ann.id)
        product.query(
            "UPDATE accounts SET state = 'active', handle = %s, email = 'back@example.org' WHERE id = %s",
            *(ann.handle, ann.id),
        )
        ((tenant,),) = product.query("SELECT tenant FROM accounts WHERE id = %s", ann.id)
        session(product, ann.id, tenant)
        found = tintype("verify", "--data", str(product.data), "--quick")
        assert f"{ann.name} was deleted" in found.stdout
        replayed = tintype("gc", "--replay-purges", "--data", str(product.data))
        assert replayed.returncode == 0, replayed.stderr
        assert "accounts_deleted_again: 1" in replayed.stdout
        assert words_left(product, ann) == []
        assert product.query("SELECT state FROM accounts WHERE id = %s", ann.id) == [("deleted",)]
        assert leaving["images"][0]["id"] == image["id"]


def test_leaving_needs_a_sign_in_just_now(product: Product) -> None:
    with person(product) as ann:
        product.query("UPDATE sessions SET created_at = now() - interval '1 hour' WHERE account = %s", ann.id)
        assert_problem(ann.client.delete(ACCOUNT), 403, "auth.proof_required")
        headers = {"authorization": f"Bearer {key_of(product, ann.id, 'account')}"}
        assert_problem(product.stranger.delete(ACCOUNT, headers=headers), 403, "auth.proof_required")
        headers = {"authorization": f"Bearer {key_of(product, ann.id, 'images:read')}"}
        assert_problem(product.stranger.delete(ACCOUNT, headers=headers), 403, "auth.forbidden")
        assert product.query("SELECT state FROM accounts WHERE id = %s", ann.id) == [("active",)]


def test_a_receipt_is_for_whoever_left_and_for_the_operator(product: Product) -> None:
    with person(product) as ann, person(product) as bob:
        leaving = leave(ann)
        finished(product, leaving)
        path = f"/api/v1/account-deletions/{leaving['id']}"
        assert_problem(product.stranger.get(path), 401, "auth.required")
        assert_problem(bob.client.get(path), 404, "not_found")
        wrong = {"deletion-token": leaving["token"][:-1] + ("0" if leaving["token"][-1] != "0" else "1")}
        assert_problem(product.stranger.get(path, headers=wrong), 404, "not_found")
        with another_tenant(product) as theirs:
            assert_problem(theirs.get(path), 404, "not_found")
        assert product.client.get(path).json()["id"] == leaving["id"]
        for bad in ("del_" + "z" * 11, "del_x", "acc_" + "0" * 11):
            headers = {"deletion-token": leaving["token"]}
            assert_problem(product.stranger.get(f"/api/v1/account-deletions/{bad}", headers=headers), 404, "not_found")


def test_the_images_of_a_receipt_come_in_pages(product: Product) -> None:
    with person(product) as ann:
        images = {upload(ann, 995 + number)["id"] for number in range(3)}
        leaving = leave(ann)
        finished(product, leaving)
        first = receipt(product, leaving, limit="2")
        rest = receipt(product, leaving, limit="2", cursor=first["next"])
        assert {each["id"] for each in (*first["images"], *rest["images"])} == images
        assert rest["next"] is None


def test_an_upload_that_ends_after_its_account_is_closed_keeps_nothing(product: Product) -> None:
    with person(product) as ann:
        product.query("UPDATE accounts SET state = 'suspended' WHERE id = %s", ann.id)
        product.query("UPDATE accounts SET state = 'active' WHERE id = %s", ann.id)
        data = samples.jpeg(64, 48, seed=999)

        def body() -> Iterator[bytes]:
            yield data[:100]
            leave(ann)
            yield data[100:]

        answer = ann.client.post(IMAGES, content=body(), headers={"content-type": "image/jpeg"})
        assert_problem(answer, 401, "auth.required")
        assert product.query("SELECT 1 FROM images WHERE owner = %s", ann.id) == []


def test_every_table_with_a_person_in_it_says_what_becomes_of_it(product: Product) -> None:
    found = product.query(
        """SELECT DISTINCT table_name::text FROM information_schema.columns
           WHERE table_schema = 'tintype' AND column_name IN ('account', 'owner', 'follower', 'followee', 'handle')"""
    )
    named = {table.name for table in PERSONAL_TABLES if table.delete is not None} | set(KEPT)
    assert {name for (name,) in found} <= named


def test_the_operator_deletes_an_account_at_the_machine(product: Product) -> None:
    with person(product) as ann:
        image = upload(ann, 1_010)
        done = tintype("account", "delete", ann.handle, "--data", str(product.data))
        assert done.returncode == 0, done.stderr
        receipts = f"/api/v1/account-deletions/{done.stdout.split()[-1]}"
        assert eventually(lambda: product.client.get(receipts).json()["state"] == "done", within=DONE_SECONDS)
        assert product.client.get(receipts).json()["cause"] == "operator"
        assert product.stranger.get(image["url"]).status_code == 410
        (asked,) = product.client.get("/api/v1/audit", params={"action": "account.deletion_asked", "limit": 1}).json()[
            "items"
        ]
        assert asked["actor"]["type"] == "command"
