"""Images move from the disk to S3 while people upload, look and delete; no request fails, and nothing is lost."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

import samples
from command_line import tintype
from postgres import passable_directory
from product import Product, eventually, start_product
from relay import Relay, relay_to
from s3_server import Bucket, S3Server
from tintype.domain.keys import JOURNAL_PREFIX
from upkeep import UNSCHEDULED

IMAGES: Final = "/api/v1/images"


@dataclass
class Move:
    """A product on its disk, the bucket that its images are to move to, and the settings file that says so."""

    product: Product
    bucket: Bucket
    way: Relay
    config: Path
    environment: dict[str, str] = field(repr=False)
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def disk_url(self) -> str:
        """Where images were."""
        return f"file://{self.product.data}/blobs"

    @property
    def bucket_url(self) -> str:
        """Where they are to be."""
        return f"s3://{self.bucket.name}/images?endpoint=http://127.0.0.1:{self.way.port}"

    def reload(self, **settings: str) -> None:
        """Have every process of the product take these settings."""
        self.config.write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
        before = self.processes()
        os.kill(self.product.process.pid, signal.SIGHUP)
        assert eventually(lambda: not before & self.processes(), within=40), self.product.log.read_text()[-3000:]

    def processes(self) -> set[int]:
        """Return the processes that have the stores open: workers, and what serves behind `run-api`."""
        parents = {pid: command for pid, command in self.product.children().items() if "run-" in command}
        apis = [pid for pid, command in parents.items() if "run-api" in command]
        served = {int(pid) for api in apis for pid in Path(f"/proc/{api}/task/{api}/children").read_text().split()}
        return served | {pid for pid, command in parents.items() if "run-worker" in command}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return how a command ended that ran beside the product."""
        return tintype(*arguments, "--data", str(self.product.data), environment=self.environment)

    def upload(self, seed: int) -> dict[str, Any]:
        """Return an image that was just uploaded."""
        made = self.product.upload(samples.jpeg(200, 150, seed=seed))
        self.sent.append(made)
        return made

    def on_disk(self) -> set[str]:
        """Return the keys of the disk."""
        root = self.product.data / "blobs"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".tmp" not in path.parts}

    def in_bucket(self) -> set[str]:
        """Return the keys of the bucket."""
        return {key.removeprefix("images/") for key in self.bucket.keys("images/")}


@pytest.fixture
def move(s3_server: S3Server) -> Iterator[Move]:
    bucket = s3_server.bucket()
    with relay_to("127.0.0.1", urlsplit(s3_server.endpoint).port or 0) as way, passable_directory() as directory:
        config = directory / "tintype.toml"
        config.touch()
        environment = {**UNSCHEDULED, **s3_server.environment, "TINTYPE_CONFIG": str(config)}
        with start_product(directory / "data", "--api-processes", "1", environment=environment) as product:
            yield Move(product, bucket, way, config, environment)


def test_images_move_to_a_bucket_and_nobody_notices(move: Move) -> None:
    for seed in range(830, 834):
        move.product.settled(move.upload(seed))
    with watched(move) as failures:
        move.reload(blobs_mirror_url=move.bucket_url)
        mirrored = move.product.settled(move.upload(840))
        assert eventually(lambda: named(mirrored, move.in_bucket()) == named(mirrored, move.on_disk()) != set())

        refused = move.run("move-blobs", "--to", "s3://another")
        assert refused.returncode == 1
        assert "blobs_mirror_url" in refused.stderr

        kill_in_the_middle(move)
        deleted = move.sent.pop(0)
        assert move.product.client.delete(f"{IMAGES}/{deleted['id']}?purge=true").status_code == 204
        assert eventually(lambda: not named(deleted, move.on_disk() | move.in_bucket()), within=20)
        before = move.on_disk()
        run_to_the_end(move)
        assert before <= move.in_bucket()
        assert not named(deleted, move.on_disk() | move.in_bucket())

        move.reload(blobs_url=move.bucket_url, blobs_mirror_url=move.disk_url)
        run_to_the_end(move)
    assert failures == []
    assert eventually(lambda: move.on_disk() == move.in_bucket(), within=40)  # jobs are done
    for image in move.sent:
        assert hashlib.sha256(original(move, image)).hexdigest() == image["sha256"]
    sound = move.run("verify")
    assert sound.returncode == 0, sound.stdout + sound.stderr


def named(image: dict[str, Any], keys: set[str]) -> set[str]:
    return {key for key in keys if image["sha256"] in key and not key.startswith(JOURNAL_PREFIX)}


def original(move: Move, image: dict[str, Any]) -> bytes:
    answer = move.product.stranger.get(f"/i/{image['id']}/original.jpg", follow_redirects=True)
    assert answer.status_code == 200
    return answer.content


def kill_in_the_middle(move: Move) -> None:
    """Run the move until something has arrived, and kill it."""
    before = len(move.in_bucket())
    move.way.pause = 0.05
    running = subprocess.Popen(
        [sys.executable, "-m", "tintype", "move-blobs", "--to", move.bucket_url, "--data", str(move.product.data)],
        env={**os.environ, **move.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert eventually(lambda: len(move.in_bucket()) > before, within=30)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    move.way.pause = 0.0
    assert move.in_bucket() < move.on_disk()


def run_to_the_end(move: Move) -> None:
    done = move.run("move-blobs", "--to", move.bucket_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


@contextmanager
def watched(move: Move) -> Iterator[list[str]]:
    """Look at a picture and upload all the while; give every answer that was not as it should be."""
    failures, over = list[str](), threading.Event()
    thread = threading.Thread(target=lambda: look_and_upload(move, over, failures.append))
    thread.start()
    try:
        yield failures
    finally:
        over.set()
        thread.join()


def look_and_upload(move: Move, over: threading.Event, failed: Callable[[str], None]) -> None:
    seen, seed = move.sent[-1], 900
    while not over.wait(0.5):
        seed += 1
        # A connection for each round: one that is idle when its process makes way is closed, and clients open another.
        with httpx.Client(base_url=move.product.base_url, timeout=30) as client:
            try:
                look_and_upload_once(move, client, seen, samples.jpeg(40, 30, seed=seed))
            except (httpx.HTTPError, AssertionError) as error:
                failed(repr(error))


def look_and_upload_once(move: Move, client: httpx.Client, seen: dict[str, Any], content: bytes) -> None:
    answer = client.get(f"/i/{seen['id']}/original.jpg", follow_redirects=True)
    assert hashlib.sha256(answer.content).hexdigest() == seen["sha256"], answer.status_code
    token = {"authorization": f"Bearer {move.product.api_key}"}
    answer = client.post(IMAGES, content=content, headers=token)
    assert answer.status_code == 201, answer.text
    move.sent.append(answer.json())
