"""What encryption at rest costs: a server whose images are encrypted beside one whose images lie in clear.

Both run at once and are loaded in turn, so that whatever else the machine does meets both; a ratio is the median of the
rounds' ratios. A range is read from the middle of a large original: two chunks are opened for it, wherever it begins. A
whole original is sent by the kernel in clear, and through Python when it is encrypted: that is told, not judged.
"""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from api import Api
from figures import Figure, compared, told
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, serving
from upload_clients import HttpClient, Sent, run_clients
from wrk import Load, load

ROUNDS: Final = 3
CLIENTS: Final = 8
UPLOAD_SECONDS: Final = 6.0
READ_SECONDS: Final = 3
"""Of each server in each round."""

FILE_BYTES: Final = 2_000_000
FILE_PIXELS: Final = (4000, 3000)
RANGE: Final = "bytes=1000000-1065535"
LEAST_UPLOADS: Final = 0.55
"""In clear the kernel gives the file that came in its name; encrypted, every byte is sealed and written into another
one, and the job opens it again: some 4 ms of processor time more for 2 MB, beside 10 ms for all the rest."""

LEAST_RANGES: Final = 0.7


@dataclass
class _Round:
    """What was measured of one server in one round."""

    uploads: Sent
    ranges: Load
    whole: Load
    thumbnails: Load


@dataclass
class _Side:
    """A server, and an image of its own."""

    server: Served
    image: dict[str, Any]
    files: list[Iterator[bytes]]


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    if shutil.which("wrk") is None:
        return [Figure("encrypted blobs", "needs wrk", required="scripts/system-packages bench", passed=False)]
    scale, rounds = (0.1, 1) if quick else (1.0, ROUNDS)
    data = jpeg_of(photograph(*FILE_PIXELS), FILE_BYTES)
    with passable_directory() as directory, ExitStack() as stack:
        sides = [_side(stack, directory / name, data, key) for name, key in _SIDES.items()]
        measured = [[_measured(side, scale) for side in sides] for _ in range(rounds)]
    return _figures(measured)


_SIDES: Final = {"plain": "", "encrypted": secrets.token_hex(32)}


def _side(stack: ExitStack, data: Path, file: bytes, key: str) -> _Side:
    environment = {"TINTYPE_BLOB_KEY": key}
    server = stack.enter_context(serving(data, "--api-processes", "1", environment=environment))
    api = Api(server)
    image = api.settled(api.upload(file))
    api.close()
    return _Side(server, image, [distinct_jpegs(file, seed) for seed in range(CLIENTS)])


def _measured(side: _Side, scale: float) -> _Round:
    seconds = max(1, round(READ_SECONDS * scale))
    original, thumb = (f"{side.server.base_url}/i/{side.image['id']}/{name}" for name in ("original.jpg", "thumb.jpg"))
    process = side.server.api_process()
    ranges = load(original, process, seconds=seconds, headers={"Range": RANGE})
    whole = load(original, process, seconds=seconds)
    thumbnails = load(thumb, process, seconds=seconds)
    return _Round(_uploaded(side, UPLOAD_SECONDS * scale), ranges, whole, thumbnails)


def _uploaded(side: _Side, seconds: float) -> Sent:
    with ExitStack() as stack:
        clients = [HttpClient(side.server) for _ in side.files]
        for client in clients:
            stack.callback(client.close)
        return run_clients(list(clients), side.files, seconds)


def _figures(rounds: list[list[_Round]]) -> list[Figure]:
    uploads = [(plain.uploads.per_second, sealed.uploads.per_second) for plain, sealed in rounds]
    ranges = [(plain.ranges.per_second, sealed.ranges.per_second) for plain, sealed in rounds]
    whole = [(plain.whole.per_second, sealed.whole.per_second) for plain, sealed in rounds]
    thumbnails = [(plain.thumbnails.per_second, sealed.thumbnails.per_second) for plain, sealed in rounds]
    plain_cost, cost = (median(pair[side].ranges.microseconds for pair in rounds) for side in (0, 1))
    return [
        _compared("encrypted: uploads, 2 MB JPEG, 8 clients", uploads, LEAST_UPLOADS),
        _compared("encrypted: ranges of 64 KiB of 2 MB", ranges, LEAST_RANGES),
        told("encrypted: processor time per range", f"{cost:.0f} µs", f"{plain_cost:.0f} µs plain"),
        told("encrypted: whole originals, 2 MB", *_rates(whole)),
        told("encrypted: thumbnails, from memory", *_rates(thumbnails)),
    ]


def _compared(name: str, pairs: list[tuple[float, float]], least: float) -> Figure:
    rate = median(sealed for _, sealed in pairs)
    ratio = median(sealed / plain for plain, sealed in pairs)
    return compared(name, rate, rate / ratio, "/s", peer_name="plain", least=least)


def _rates(pairs: list[tuple[float, float]]) -> tuple[str, str]:
    plain, sealed = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = median(pair[1] / pair[0] for pair in pairs)
    return f"{sealed:,.0f} /s", f"{plain:,.0f} /s plain, we have {ratio:.2f} of it"
