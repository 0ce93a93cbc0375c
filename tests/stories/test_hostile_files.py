"""Files that are made to hurt (`hostile_files.py`), sent by HTTP: each gets its verdict, and nobody else notices.

What is refused leaves nothing behind; what is taken in comes to an end, and is gone when it is deleted.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest

import samples
from hostile_files import HOSTILE, Hostile
from postgres import passable_directory
from product import Product, eventually, start_product
from refusals import assert_problem, leaves_nothing

IMAGES: Final = "/api/v1/images"
AT_ONCE_SECONDS: Final = 1.0
"""The quickest of three; what is promised is a quarter of it, which `bench/hostile.py` measures on a quiet machine."""

NEIGHBOUR_SECONDS: Final = 15.0
"""What nobody waits longer for, on a machine that runs other tests beside this."""

REFUSED: Final = [name for name, each in HOSTILE.items() if each.status != 201]
TAKEN: Final = [name for name, each in HOSTILE.items() if each.status == 201]
FINAL: Final = frozenset({"ready", "rejected"})


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with passable_directory() as directory, start_product(directory / "data") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _everybody_lives(product: Product) -> Iterator[None]:
    """After all tests the same servers and workers run, and nothing was answered 5xx."""
    before = serving_processes(product)
    yield
    assert serving_processes(product) == before
    assert server_errors(product) == []
    failures = [line for line in product.log_lines() if line.get("event") in {"request_failed", "job_failed"}]
    assert failures == []


def serving_processes(product: Product) -> set[int]:
    return {pid for pid, command in product.children().items() if "run-api" in command or "run-worker" in command}


def server_errors(product: Product) -> list[str]:
    lines = product.stranger.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("tintype_requests_total{") and 'status="5' in line]


def post(product: Product, data: bytes) -> httpx.Response:
    return product.stranger.post(IMAGES, files={"file": ("photo.jpg", data, "image/jpeg")})


@pytest.mark.parametrize("name", REFUSED)
def test_what_lies_or_bursts_is_refused_with_its_code(product: Product, name: str) -> None:
    hostile = HOSTILE[name]
    data, seconds = hostile.build(), []
    with leaves_nothing(product):
        for _ in range(3 if hostile.by_header else 1):
            started = time.perf_counter()
            answer = product.client.post(IMAGES, content=data, headers={"content-type": "image/png"})
            seconds.append(time.perf_counter() - started)
            assert_problem(answer, hostile.status, hostile.end)
        assert_problem(post(product, data), hostile.status, hostile.end)
    assert min(seconds) < AT_ONCE_SECONDS or not hostile.by_header


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_in_comes_to_its_end_and_goes(product: Product, name: str) -> None:
    hostile = HOSTILE[name]
    image = product.settled(product.upload(hostile.build()))
    assert image["state"] in ({hostile.end} if hostile.end else FINAL)
    if image["state"] == "rejected":
        assert product.client.get(image["url"]).status_code == 404
        assert image["state_reason"]
    assert product.client.delete(f"{IMAGES}/{image['id']}", params={"purge": "true"}).status_code == 204
    assert eventually(lambda: not any(image["sha256"] in file for file in product.files("blobs")))


# Meanwhile


class Neighbour(threading.Thread):
    """Somebody who uploads photographs and looks at them, again and again, and notes what it is answered."""

    def __init__(self, product: Product, over: threading.Event) -> None:
        super().__init__()
        self._product = product
        self._over = over
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0

    def run(self) -> None:
        """Go on until it is over."""
        number = 0
        with httpx.Client(base_url=self._product.base_url, timeout=NEIGHBOUR_SECONDS) as client:
            while not self._over.is_set():
                number += 1
                data = samples.jpeg(320, 240, seed=1_000 + number)
                shown = self._timed(client, "POST", IMAGES, files={"file": ("photo.jpg", data)})
                if shown.status_code == httpx.codes.CREATED:
                    self._timed(client, "GET", shown.json()["url"])
                    self._timed(client, "GET", f"{IMAGES}/{shown.json()['id']}")
                self._over.wait(0.05)

    def _timed(self, client: httpx.Client, method: str, url: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 -- handed on
        started = time.perf_counter()
        answer = client.request(method, url, **arguments)
        self.slowest = max(self.slowest, time.perf_counter() - started)
        self.answers[f"{method} {answer.status_code}"] += 1
        return answer


@contextmanager
def neighbour_of(product: Product) -> Iterator[Neighbour]:
    over = threading.Event()
    neighbour = Neighbour(product, over)
    neighbour.start()
    try:
        yield neighbour
    finally:
        over.set()
        neighbour.join()


def attack(product: Product, files: list[Hostile]) -> list[tuple[int, int]]:
    """Send the files one after another; return what each was answered and what was expected."""
    with httpx.Client(base_url=product.base_url, timeout=60) as client:
        return [
            (client.post(IMAGES, files={"file": ("x.png", each.build())}).status_code, each.status) for each in files
        ]


def test_a_neighbour_goes_on_while_all_of_them_come_at_once(product: Product) -> None:
    every, seen = list(HOSTILE.values()), []
    attackers = [
        threading.Thread(target=lambda part=part: seen.extend(attack(product, part)))
        for part in (every[::3], every[1::3], every[2::3])
    ]
    with neighbour_of(product) as neighbour:
        for attacker in attackers:
            attacker.start()
        for attacker in attackers:
            attacker.join()
    assert len(seen) == len(every)
    assert [pair for pair in seen if pair[0] != pair[1]] == []
    assert set(neighbour.answers) == {"POST 201", "GET 200"}
    assert neighbour.answers["POST 201"] > 10
    assert neighbour.slowest < NEIGHBOUR_SECONDS
    assert eventually(lambda: waiting(product) == 0, within=60)


def waiting(product: Product) -> int:
    return int(product.query("SELECT count(*) FROM images WHERE state = 'processing'")[0][0])
