"""Jobs that had every attempt: listed with the reason, retried, discarded, by API and by command."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

import samples
from command_line import tintype
from postgres import passable_directory
from product import Product, eventually, own_product, start_product
from queued import BRISK, BROKEN_WHILE, bury, dead_letter_of, image_number, jobs_of
from refusals import assert_problem
from sabotage import WORKER, sabotaged
from tenants import another_tenant

JOBS: Final = "/api/v1/jobs"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with own_product() as running:
        yield running


@dataclass
class Breakable:
    """A product whose workers' decoders fail while they are told to."""

    product: Product
    switch: Path

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Have decoders fail during the block."""
        self.switch.touch()
        try:
            yield
        finally:
            self.switch.unlink()

    def failed(self, seed: int, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 -- handed on
        """Return an image whose job is dead, and the dead job."""
        image = self.product.upload(samples.jpeg(seed=seed), **fields)
        self.product.settled(image)
        bury(self.product, image)
        return image, dead_letter_of(self.product, image)

    def really_failed(self, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an image whose job had five attempts and died, and the dead job."""
        with self.broken():
            image = self.product.upload(samples.jpeg(seed=seed))
            dead = dead_letter_of(self.product, image)
        assert self.state(image) == "failed"
        return image, dead

    def state(self, image: dict[str, Any]) -> str:
        """Return how the image's row stands."""
        ((state,),) = self.product.query("SELECT state FROM images WHERE id = %s", image_number(image))
        return str(state)

    def becomes_ready(self, image: dict[str, Any]) -> bool:
        """Return whether the image is soon ready, with no job left."""
        return eventually(lambda: self.state(image) == "ready" and not jobs_of(self.product, image), within=20)

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit status, output and complaints of `tintype` with these arguments."""
        done = tintype(*arguments, "--data", str(self.product.data))
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def breakable() -> Iterator[Breakable]:
    with passable_directory() as directory:
        switch = directory / "broken-now"
        environment = BRISK | sabotaged(directory / "code", BROKEN_WHILE.format(switch=str(switch)), WORKER)
        with start_product(directory / "data", environment=environment) as product:
            yield Breakable(product, switch)


def test_a_dead_letter_says_what_it_was_about_and_why_it_died(breakable: Breakable) -> None:
    image, dead = breakable.really_failed(1)
    assert (dead["task"], dead["state"], dead["attempts"]) == ("process_image", "dead", 5)
    assert (dead["image"], dead["image_state"], dead["version"]) == (image["id"], "failed", 1)
    assert dead["reason"] == "renderer.failed"
    assert image["created_at"] <= dead["failed_at"]
    assert breakable.product.metric("tintype_dead_jobs") == 1
    status, examined, _ = breakable.command("doctor")
    assert (status, "1 failed for good. `tintype jobs list`" in examined) == (1, True)
    logged = [line for line in breakable.product.log_lines() if line["event"] == "attempt_failed"]
    assert [line["attempt"] for line in logged if line["job"] == dead["id"]] == [1, 2, 3, 4, 5]


def test_retrying_a_dead_letter_has_its_image_in_work_at_once_and_ready_soon(breakable: Breakable) -> None:
    image, dead = breakable.failed(2)
    answer = breakable.product.client.post(f"{JOBS}/{dead['id']}/retry")
    assert answer.status_code == 200
    retried = answer.json()
    assert (retried["id"], retried["state"], retried["attempts"]) == (dead["id"], "waiting", 0)
    assert (retried["image"], retried["image_state"]) == (image["id"], "processing")
    assert breakable.becomes_ready(image)
    assert breakable.product.client.get(f"/api/v1/images/{image['id']}").json()["state"] == "ready"


def test_a_retried_job_that_fails_again_dies_after_five_more_attempts(breakable: Breakable) -> None:
    image, dead = breakable.failed(3)
    with breakable.broken():
        assert breakable.product.client.post(f"{JOBS}/{dead['id']}/retry").status_code == 200
        assert eventually(lambda: jobs_of(breakable.product, image) == [("failed", 5)], within=20)
    assert breakable.state(image) == "failed"


def test_discarding_a_dead_letter_leaves_the_image_failed_and_says_so(breakable: Breakable) -> None:
    image, dead = breakable.failed(4)
    answer = breakable.product.client.delete(f"{JOBS}/{dead['id']}")
    assert answer.status_code == 200
    assert "stays failed" in answer.json()["meaning"]
    assert jobs_of(breakable.product, image) == []
    assert breakable.state(image) == "failed"
    assert breakable.product.stranger.get(image["url"]).status_code == 200
    assert_problem(breakable.product.client.delete(f"{JOBS}/{dead['id']}"), 404, "not_found")


def test_a_job_that_is_not_dead_cannot_be_decided_on(breakable: Breakable) -> None:
    _, dead = breakable.failed(5)
    with breakable.broken():
        assert breakable.product.client.post(f"{JOBS}/{dead['id']}/retry").status_code == 200
        assert_problem(breakable.product.client.post(f"{JOBS}/{dead['id']}/retry"), 409, "conflict")
        assert_problem(breakable.product.client.delete(f"{JOBS}/{dead['id']}"), 409, "conflict")


def test_the_dead_letter_of_an_image_goes_with_it(breakable: Breakable) -> None:
    image, dead = breakable.failed(6)
    client = breakable.product.client
    assert client.delete(f"/api/v1/images/{image['id']}").status_code == 204
    assert "trash" in assert_problem(client.post(f"{JOBS}/{dead['id']}/retry"), 409, "conflict")["detail"]
    assert client.delete(f"/api/v1/images/{image['id']}?purge=true").status_code == 204
    assert_problem(client.post(f"{JOBS}/{dead['id']}/retry"), 404, "not_found")
    assert eventually(lambda: jobs_of(breakable.product, image) == [], within=20)  # but for the proof of the purge


def test_a_job_that_dies_after_its_image_can_only_be_discarded(breakable: Breakable) -> None:
    image, dead = breakable.failed(17)
    breakable.product.query("UPDATE images SET state = 'purged' WHERE id = %s", image_number(image))
    assert_problem(breakable.product.client.post(f"{JOBS}/{dead['id']}/retry"), 410, "image.gone")
    discarded = breakable.product.client.delete(f"{JOBS}/{dead['id']}").json()
    assert discarded["image_state"] == "purged"
    assert "nothing is lost" in discarded["meaning"]


def test_jobs_are_their_tenants_alone(breakable: Breakable) -> None:
    image, dead = breakable.failed(7)
    with another_tenant(breakable.product) as client:
        assert client.get(JOBS, params={"state": "dead"}).json() == {"items": [], "next": None}
        assert_problem(client.post(f"{JOBS}/{dead['id']}/retry"), 404, "not_found")
        assert_problem(client.delete(f"{JOBS}/{dead['id']}"), 404, "not_found")
    for method, path in (("GET", JOBS), ("POST", f"{JOBS}/{dead['id']}/retry"), ("DELETE", f"{JOBS}/{dead['id']}")):
        assert_problem(breakable.product.stranger.request(method, path), 401, "auth.required")
    assert jobs_of(breakable.product, image) == [("failed", 5)]


@pytest.mark.parametrize("name", ["job_", "job_0000000000!", "img_00000000000", "job_zzzzzzzzzzz", "job_00000000000"])
def test_what_is_no_job_is_not_found(breakable: Breakable, name: str) -> None:
    assert_problem(breakable.product.client.post(f"{JOBS}/{name}/retry"), 404, "not_found")


def test_the_list_comes_in_pages_newest_first_and_refuses_what_it_does_not_know(breakable: Breakable) -> None:
    failed = [breakable.failed(seed)[1]["id"] for seed in (8, 9, 10)]
    client, seen, cursor = breakable.product.client, [], None
    while True:
        page = client.get(f"{JOBS}?state=dead&limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        assert len(page["items"]) <= 2
        seen += [job["id"] for job in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen))
    assert set(failed) <= set(seen)
    for wrong in ("state=sad", "limit=0", "limit=101", "cursor=x"):
        assert_problem(client.get(f"{JOBS}?{wrong}"), 400, "request.unreadable")


def test_the_owner_has_a_failed_image_processed_again_and_its_dead_letter_is_gone(breakable: Breakable) -> None:
    image, _ = breakable.failed(11, anonymous=True)
    path, product = f"/api/v1/images/{image['id']}/reprocess", breakable.product
    assert_problem(product.stranger.post(path), 401, "auth.required")
    assert_problem(product.stranger.post(path, headers={"upload-token": "ttw_" + "0" * 33}), 403, "auth.forbidden")
    answer = product.stranger.post(path, headers={"upload-token": image["delete_token"]})
    assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (202, "processing", 1)
    assert breakable.becomes_ready(image)
    assert_problem(product.client.post(path), 409, "conflict")


def test_the_operator_lists_retries_and_discards_at_the_terminal(breakable: Breakable) -> None:
    kept, dead = breakable.failed(12)
    lost, other = breakable.failed(13)
    status, listed, _ = breakable.command("jobs", "list")
    (line,) = [line for line in listed.splitlines() if line.startswith(dead["id"])]
    assert status == 0
    assert all(word in line for word in ("process_image", "dead", "renderer.failed", kept["id"], "failed", "ten_"))
    assert breakable.command("jobs", "retry")[0] == 2
    status, said, _ = breakable.command("jobs", "retry", dead["id"])
    assert (status, dead["id"] in said) == (0, True)
    assert breakable.becomes_ready(kept)
    status, said, complaint = breakable.command("jobs", "discard", other["id"], dead["id"], "nonsense")
    assert status == 1
    assert "stays failed" in said
    assert len(complaint.splitlines()) == 2
    assert jobs_of(breakable.product, lost) == []
    assert breakable.command("reprocess", lost["id"])[0] == 0
    assert breakable.becomes_ready(lost)


def test_everything_that_failed_is_processed_again_by_one_command(breakable: Breakable) -> None:
    images = [breakable.failed(seed)[0] for seed in (14, 15)]
    status, said, _ = breakable.command("reprocess", "--state", "failed")
    assert status == 0
    assert all(image["id"] in said for image in images)
    assert all(breakable.becomes_ready(image) for image in images)


def test_a_dead_letter_that_was_retried_by_everybody_at_once_is_one_job(breakable: Breakable) -> None:
    _, dead = breakable.failed(16)
    with breakable.broken():
        answers = [breakable.product.client.post(f"{JOBS}/{dead['id']}/retry").status_code for _ in range(3)]
    assert answers == [200, 409, 409]
