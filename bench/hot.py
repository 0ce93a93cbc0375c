"""One URL that everybody wants: 256 connections on one thumbnail beside 256 connections on 256 of them.

Then the same thumbnail when its image was deleted, an id that there is not, and how long after the answer to the delete
anybody is still served while all connections go on asking. The peer of each rate is the 256 URLs of the same round.
"""

import shutil
import threading
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import httpx

from api import Api
from figures import Figure, compared, limited
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, serving
from wrk import Load, load

CONNECTIONS: Final = 256
URLS: Final = 256
ROUNDS: Final = 3
SECONDS: Final = 3
LEAST_OF_SPREAD: Final = 0.9
LEAST_OF_REFUSALS: Final = 0.5
MOST_SECONDS_SERVED: Final = 1.0
NEVER_DRAWN: Final = "img_" + "4" * 22
"""An id from decades ahead."""


@dataclass(frozen=True)
class _Targets:
    """Paths: the hot one, all of them, and the one that was deleted."""

    hot: str
    spread: tuple[str, ...]
    deleted: str


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    if shutil.which("wrk") is None:
        return [Figure("one hot URL", "needs wrk", required="scripts/system-packages bench", passed=False)]
    with passable_directory() as directory, serving(directory / "data", "--api-processes", "1") as server:
        api = Api(server)
        images = _images(api, 8 if quick else URLS)
        served = _seconds_served(server, api, images.pop())
        gone = images.pop()
        targets = _Targets(_path(images[0]), tuple(map(_path, images)), _path(gone))
        _delete(api, gone)
        rounds = [_round(server, targets, 1 if quick else SECONDS) for _ in range(1 if quick else ROUNDS)]
        api.close()
    return _figures(rounds, served)


def _images(api: Api, count: int) -> list[dict[str, Any]]:
    """Return so many images that are ready, and two more."""
    files = distinct_jpegs(jpeg_of(photograph(800, 600), 100_000), 1)
    images = [api.upload(next(files)) for _ in range(count + 2)]
    return [api.settled(image) for image in images]


def _path(image: dict[str, Any]) -> str:
    return f"/i/{image['id']}/gallery.jpg?v={image['version']}"


def _delete(api: Api, image: dict[str, Any]) -> None:
    api.delete(f"/api/v1/images/{image['id']}?purge=true")


def _round(server: Served, targets: _Targets, seconds: int) -> dict[str, Load]:
    process, base_url = server.api_process(), server.base_url

    def at(path: str, *, refusals: bool = False) -> Load:
        return load(base_url + path, process, seconds=seconds, connections=CONNECTIONS, refusals=refusals)

    return {
        "spread": load(base_url, process, seconds=seconds, connections=CONNECTIONS, paths=targets.spread),
        "hot": at(targets.hot),
        "deleted": at(targets.deleted, refusals=True),
        "never": at(f"/i/{NEVER_DRAWN}/thumb", refusals=True),
    }


def _seconds_served(server: Served, api: Api, image: dict[str, Any]) -> float:
    """Return how long after the answer to its delete the image was still served, while everybody asked for it."""
    path, stop = _path(image), threading.Event()
    last = [0.0]

    def ask() -> None:
        with httpx.Client(base_url=server.base_url) as client:
            while not stop.is_set():
                if client.get(path).status_code == httpx.codes.OK:
                    last[0] = time.monotonic()

    def load_until_it_is_gone() -> None:
        # Of the answers the first are 200 and the rest 410, and which of them wrk calls errors is none of our business.
        load(server.base_url + path, server.api_process(), seconds=3, connections=CONNECTIONS, refusals=True)

    threads = [threading.Thread(target=ask), threading.Thread(target=load_until_it_is_gone)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    _delete(api, image)
    deleted = time.monotonic()
    threads[1].join()
    stop.set()
    threads[0].join()
    return max(0.0, last[0] - deleted)


def _figures(rounds: list[dict[str, Load]], served: float) -> list[Figure]:
    return [
        _compared(rounds, f"one hot thumbnail, {CONNECTIONS} connections", "hot", LEAST_OF_SPREAD),
        _compared(rounds, "the same, its image deleted (410)", "deleted", LEAST_OF_REFUSALS),
        _compared(rounds, "an id that was never drawn (404)", "never", LEAST_OF_REFUSALS),
        limited("served after the answer to its delete", served, MOST_SECONDS_SERVED, "s"),
    ]


def _compared(rounds: list[dict[str, Load]], name: str, target: str, least: float) -> Figure:
    rate = median(one[target].per_second for one in rounds)
    ratio = median(one[target].per_second / one["spread"].per_second for one in rounds)
    return compared(name, rate, rate / ratio, "/s", peer_name=f"{URLS} URLs", least=least)
