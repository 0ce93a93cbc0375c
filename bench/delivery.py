"""How fast one API process serves a thumbnail of 20 kB, beside nginx serving the same file.

Each of a few rounds loads every target for some seconds, so that whatever else the machine does meanwhile meets all of
them; a ratio is the median of the rounds' ratios. Our side writes its log line per request to a file and counts its
metrics, as it always does. nginx is the peer without a log, and shown with one. The processor time per request hardly
depends on what else runs, and tells more than the rate where load generator and server share two cores.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from PIL import Image

from api import Api
from figures import Figure, compared, told
from nginx import Nginx, nginx_serving
from photograph import jpeg_of, photograph
from serving import Served, passable_directory, serving
from wrk import Load, load

ROUNDS: Final = 3
SECONDS: Final = 3
"""Of each target in each round."""

FILE_BYTES: Final = range(19_000, 21_001)
BROWSER_ACCEPT: Final = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
LEAST_OF_NGINX: Final = 0.25
_PRESET: Final = "gallery"


@dataclass(frozen=True)
class _Target:
    """What is loaded: a URL, request headers, the process that answers."""

    url: str
    server: int
    headers: Mapping[str, str]


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    missing = [program for program in ("wrk", "nginx") if shutil.which(program, path="/usr/sbin:/usr/bin") is None]
    if missing:
        needed = f"needs {' and '.join(missing)}"
        return [Figure("thumbnail, 20 kB", needed, required="scripts/system-packages bench", passed=False)]
    with passable_directory() as directory, serving(directory / "data", "--api-processes", "1") as server:
        api = Api(server)
        image = _image_with_thumbnail(api, exact=not quick)
        file = api.get(_path(image)).content
        with nginx_serving(directory / "nginx", file) as nginx:
            targets = _targets(server, nginx, api, image)
            rounds = [_round(targets, 1 if quick else SECONDS) for _ in range(1 if quick else ROUNDS)]
        api.close()
    return _figures(rounds, len(file))


def _image_with_thumbnail(api: Api, *, exact: bool) -> dict[str, Any]:
    """Return an image whose gallery JPEG has about 20 kB, by as much contrast as gives it when it must be `exact`."""
    picture, low, high = photograph(1200, 900), 0.0, 1.0
    flat = Image.new("RGB", picture.size, (128, 128, 128))
    while True:
        contrast = (low + high) / 2
        image = api.settled(api.upload(jpeg_of(Image.blend(flat, picture, contrast), 400_000)))
        size = len(api.get(_path(image)).content)
        if size in FILE_BYTES or high - low < 0.01 or not exact:
            return image
        low, high = (contrast, high) if size < FILE_BYTES.start else (low, contrast)


def _path(image: Mapping[str, Any], extension: str = ".jpg") -> str:
    return f"/i/{image['id']}/{_PRESET}{extension}?v={image['version']}"


def _targets(server: Served, nginx: Nginx, api: Api, image: Mapping[str, Any]) -> dict[str, _Target]:
    """Return what is loaded, after seeing that each answers what it should."""
    explicit, negotiated, process = _path(image), _path(image, ""), server.api_process()
    etag = api.get(explicit).headers["etag"]
    assert api.get(explicit, **{"if-none-match": etag}).status_code == 304
    assert api.get(negotiated, accept=BROWSER_ACCEPT).headers["content-type"] == "image/webp"
    return {
        "nginx": _Target(nginx.url, nginx.worker, {}),
        "nginx, logging": _Target(nginx.logged_url, nginx.worker, {}),
        "200": _Target(server.base_url + explicit, process, {}),
        "304": _Target(server.base_url + explicit, process, {"If-None-Match": etag}),
        "negotiated": _Target(server.base_url + negotiated, process, {"Accept": BROWSER_ACCEPT}),
    }


def _round(targets: Mapping[str, _Target], seconds: int) -> dict[str, Load]:
    return {
        name: load(target.url, target.server, seconds=seconds, headers=target.headers)
        for name, target in targets.items()
    }


def _figures(rounds: list[dict[str, Load]], size: int) -> list[Figure]:
    name = f"thumbnail, {size / 1000:.1f} kB, 1 API process"
    logging = _ratio(rounds, "200", "nginx, logging")
    costs = {target: f"{median(one[target].microseconds for one in rounds):.0f} µs" for target in rounds[0]}
    return [
        _compared(rounds, name, "200", "nginx", LEAST_OF_NGINX),
        _compared(rounds, f"{name}, negotiated", "negotiated", "nginx", LEAST_OF_NGINX),
        _compared(rounds, f"{name}, 304", "304", "200", 1.0),
        told("nginx with its log on", f"{_rate(rounds, 'nginx, logging'):,.0f} /s", f"we have {logging:.2f} of it"),
        told("processor time per 200", costs["200"], f"{costs['nginx']} nginx, {costs['nginx, logging']} logging"),
        told("processor time per 304, negotiated 200", f"{costs['304']}, {costs['negotiated']}"),
    ]


def _compared(rounds: list[dict[str, Load]], name: str, target: str, peer: str, least: float) -> Figure:
    rate = _rate(rounds, target)
    return compared(name, rate, rate / _ratio(rounds, target, peer), "/s", peer_name=peer, least=least)


def _rate(rounds: list[dict[str, Load]], target: str) -> float:
    return median(one[target].per_second for one in rounds)


def _ratio(rounds: list[dict[str, Load]], target: str, peer: str) -> float:
    return median(one[target].per_second / one[peer].per_second for one in rounds)
