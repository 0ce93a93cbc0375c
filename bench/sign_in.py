"""Signing in: how often in a second, what it does to everybody else meanwhile, and what a session costs each request.

Sign-ins are sent by several clients to one API process at its limits for real hashes (argon2id, 19 MiB, two passes).
How late its event loop is meanwhile is told by the process itself (`tintype_event_loop_lag_seconds`): a client's own
wait for a core would be counted otherwise. The cost of a session is the difference between two medians of the same
look-up, asked in turn with a session and without.
"""

import http.client
import json
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import httpx

from figures import Figure, limited, told
from photograph import jpeg_of, photograph
from serving import Served, passable_directory, serving

CLIENTS: Final = 8
SECONDS: Final = 15
QUESTIONS: Final = 600
"""Of each sort."""

MOST_LAG: Final = 20.0
"""Milliseconds; a picture that waits longer is noticed."""

MOST_OVERHEAD: Final = 1.0
"""Milliseconds."""

SHARE: Final = 0.99

PASSWORD: Final = "teapots sing in winter fog"  # noqa: S105 -- of nobody
SESSIONS: Final = "/api/v1/sessions"


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    seconds, questions = (1, 20) if quick else (SECONDS, QUESTIONS)
    with passable_directory() as directory, serving(directory / "data", "--api-processes", "1") as server:
        _sign_up(server)
        before = _lags(server)
        per_second = _sign_ins(server, seconds)
        lag = _percentile_between(before, _lags(server), SHARE)
        overhead, anonymous = _overhead(server, _token(server), questions)
    return [
        told(f"sign-ins, {CLIENTS} clients, one API process", f"{per_second:.1f} /s", "argon2id, 19 MiB, t=2, p=1"),
        limited("event loop lag while they run: p99", lag * 1000, MOST_LAG, "ms", " at the most"),
        limited("a session, on a look-up: p50", overhead, MOST_OVERHEAD, "ms", f" on {anonymous:.2f} ms"),
    ]


def _sign_up(server: Served) -> None:
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        wanted = {"handle": "measured", "email": "measured@example.org", "password": PASSWORD}
        client.post("/api/v1/accounts", json=wanted).raise_for_status()


def _token(server: Served) -> str:
    """Return a session's token. It is taken last: an account keeps so many sessions, and the oldest end first."""
    answer = httpx.post(f"{server.base_url}{SESSIONS}", json={"login": "measured", "password": PASSWORD}, timeout=60)
    return str(answer.raise_for_status().json()["token"])


def _sign_ins(server: Served, seconds: int) -> float:
    """Return how many sign-ins were answered in a second."""
    until = time.monotonic() + seconds

    def sign_in(_: int) -> int:
        count = 0
        with httpx.Client(base_url=server.base_url, timeout=60) as client:
            while time.monotonic() < until:
                answer = client.post(SESSIONS, json={"login": "measured", "password": PASSWORD})
                count += answer.status_code == httpx.codes.CREATED
        return count

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        done = sum(pool.map(sign_in, range(CLIENTS)))
    return done / (time.monotonic() - began)


def _lags(server: Served) -> dict[float, float]:
    """Return the histogram of the event loop's lag: upper bound in seconds → how often it was no later."""
    text = httpx.get(f"{server.base_url}/metrics", timeout=60).text
    found = re.findall(r'tintype_event_loop_lag_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)', text)
    return {float(bound): float(count) for bound, count in found}


def _percentile_between(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Return the upper bound (seconds) of the bucket that holds the share of what came between two looks."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    wanted = share * counts[max(counts)]
    return next(bound for bound, count in counts.items() if count >= wanted)


def _overhead(server: Served, token: str, questions: int) -> tuple[float, float]:
    """Return how much longer a look-up takes with a session than without, and how long without (milliseconds)."""
    picture = jpeg_of(photograph(640, 480), 60_000)
    image: dict[str, Any] = (
        httpx.post(f"{server.base_url}/api/v1/images", content=picture, timeout=60).raise_for_status().json()
    )
    path, bearer = f"/api/v1/images/{image['id']}", {"authorization": f"Bearer {token}"}
    with closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as connection:
        _seconds(connection, path, {})  # the record is in memory from here on
        pairs = [(_seconds(connection, path, {}), _seconds(connection, path, bearer)) for _ in range(questions)]
    anonymous, known = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    return max(0.0, known - anonymous), anonymous


def _seconds(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    json.loads(answer.read())
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path} answered {answer.status}")
    return time.perf_counter() - began
