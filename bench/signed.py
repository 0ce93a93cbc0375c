"""How fast one API process serves a thumbnail by a signed URL, beside the same thumbnail of a public image.

Both have the same bytes. Each round loads both for some seconds; the ratio is the median of the rounds' ratios. What a
signed URL costs when it is first asked for (its MAC, the key, the record) is told, too: each of a list of URLs once.
"""

import base64
import shutil
import time
from collections.abc import Mapping
from statistics import median
from typing import Any, Final

import httpx

from api import Api
from figures import Figure, compared, percentile, told
from photograph import jpeg_of, photograph
from serving import Served, passable_directory, serving
from tintype.domain.signing import SigningKey, signed_url
from wrk import Load, load

ROUNDS: Final = 3
SECONDS: Final = 3
LEAST_OF_PUBLIC: Final = 0.8
FIRST_ASKED: Final = 300
"""URLs that nobody has asked for before."""

_PRESET: Final = "gallery"
_LIFETIME: Final = 3_600


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    if shutil.which("wrk") is None:
        return [Figure("signed URL", "needs wrk", required="scripts/system-packages bench", passed=False)]
    with passable_directory() as directory, serving(directory / "data", "--api-processes", "1") as server:
        api = Api(server)
        data = jpeg_of(photograph(1200, 900), 300_000)
        public, private = (api.settled(api.upload(data, visibility=each)) for each in ("public", "private"))
        key = _key(server)
        paths = {"public": _path(public), "signed": _signed(key, private, 0)}
        assert api.get(paths["public"]).content == httpx.get(server.base_url + paths["signed"]).content
        first = _first_asked(server, key, private, 20 if quick else FIRST_ASKED)
        rounds = [_round(server, paths, 1 if quick else SECONDS) for _ in range(1 if quick else ROUNDS)]
        api.close()
    return _figures(rounds, first)


def _key(server: Served) -> SigningKey:
    """Return a key whose secret we know, so that we sign for ourselves."""
    address, headers = f"{server.base_url}/api/v1/signing-keys", {"authorization": f"Bearer {server.key}"}
    made = httpx.post(address, headers=headers).raise_for_status().json()
    return SigningKey(made["kid"], base64.urlsafe_b64decode(made["secret"] + "="))


def _path(image: Mapping[str, Any]) -> str:
    return f"/i/{image['id']}/{_PRESET}.jpg?v={image['version']}"


def _signed(key: SigningKey, image: Mapping[str, Any], more: int) -> str:
    """Return a URL of the image that ends `more` seconds later than the others."""
    path = f"/i/{image['id']}/{_PRESET}.jpg"
    return signed_url(key, path, image["version"], int(time.time()) + _LIFETIME + more)


def _first_asked(server: Served, key: SigningKey, image: Mapping[str, Any], count: int) -> list[float]:
    """Return how long the answer to each of so many new URLs took, in milliseconds."""
    seconds = []
    with httpx.Client(base_url=server.base_url) as client:
        for number in range(count):
            url = _signed(key, image, number + 1)
            began = time.perf_counter()
            client.get(url).raise_for_status()
            seconds.append(1000 * (time.perf_counter() - began))
    return seconds


def _round(server: Served, paths: Mapping[str, str], seconds: int) -> dict[str, Load]:
    process = server.api_process()
    return {name: load(server.base_url + path, process, seconds=seconds) for name, path in paths.items()}


def _figures(rounds: list[dict[str, Load]], first: list[float]) -> list[Figure]:
    rate = median(one["signed"].per_second for one in rounds)
    ratio = median(one["signed"].per_second / one["public"].per_second for one in rounds)
    costs = {name: f"{median(one[name].microseconds for one in rounds):.0f} µs" for name in rounds[0]}
    return [
        compared("thumbnail by a signed URL", rate, rate / ratio, "/s", peer_name="public", least=LEAST_OF_PUBLIC),
        told("processor time per signed 200", costs["signed"], f"{costs['public']} public"),
        told("a signed URL, first asked for: p50, p99", f"{median(first):.1f} ms, {percentile(first, 0.99):.1f} ms"),
    ]
