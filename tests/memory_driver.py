"""A driver of the Python client's flows that does nothing: a test is the server, and time passes when it is told to."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from tintype_client.core.api import Api
from tintype_client.core.effects import (
    Broken,
    Clock,
    Digest,
    Effect,
    Flow,
    Keep,
    Pause,
    Recall,
    Request,
    Response,
    Send,
    Slice,
    Together,
)
from tintype_client.core.retries import RetryPolicy
from tintype_client.core.running import Running

T = TypeVar("T")

URL = "https://images.example.org"
KEY = "ttk_key"

Server = Callable[[Request], Response]
"""Answers a request, or raises `Broken`."""


class MemoryDriver:
    """Runs flows against a function; `requests`, `pauses` and `kept` tell what was asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.requests: list[Request] = []
        self.pauses: list[float] = []
        self.kept: dict[str, str] = {}
        self.now = 0.0

    def run(self, flow: Flow[T]) -> T:
        """Return what the flow comes to."""
        running = Running(flow)
        while not running.ended:
            try:
                value = self._perform(running.effect)
            except Exception as error:  # noqa: BLE001 -- the flow handles it or raises it
                running.fail(error)
            else:
                running.resume(value)
        return running.result

    def asked(self, method: str, path: str) -> list[Request]:
        """Return the requests with this method whose path ends so."""
        return [each for each in self.requests if each.method == method and path_of(each).endswith(path)]

    def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(request):
                self.requests.append(request)
                return self._server(request)
            case Pause(seconds):
                self.pauses.append(seconds)
                self.now += seconds
            case Clock():
                return self.now
            case Digest(part, algorithm):
                return hashlib.new(algorithm, content(part)).digest()
            case Together(flows):
                return [self.run(flow) for flow in flows]
            case Recall(name):
                return self.kept.get(name)
            case Keep(name, None):
                self.kept.pop(name, None)
            case Keep(name, str(text)):
                self.kept[name] = text
        return None


def scripted(*answers: Response | type[Broken]) -> Server:
    """Return a server that gives these answers one after the other."""
    left = list(answers)

    def answer(request: Request) -> Response:
        assert left, f"one request too many: {request.method} {request.url}"
        given = left.pop(0)
        if isinstance(given, Response):
            return given
        raise given("reset by peer")

    return answer


def api(key: str | None = KEY, *, attempts: int = 7, first_wait: float = 0.5) -> Api:
    """Return the API of a server that is not there; waits are as long as the policy allows."""
    return Api(URL, key, RetryPolicy(attempts=attempts, first_wait=first_wait, draw=lambda: 1.0), "tests")


def answered(status: int, told: object = None, **headers: str) -> Response:
    """Return an answer with this JSON; an underscore in a header's name is a hyphen."""
    body = b"" if told is None else json.dumps(told).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def problem(status: int, code: str, **headers: str) -> Response:
    """Return a refusal."""
    return answered(status, {"code": code, "detail": f"It is {code}.", "status": status}, **headers)


def image(state: str = "ready", **told: object) -> dict[str, object]:
    """Return the JSON of an image."""
    empty: Sequence[str] = (
        *("state_reason", "title", "alt", "thumbhash", "dominant_color", "views", "owner", "attached_to"),
        *("expires_at", "source_sha256"),
    )
    return {
        **dict.fromkeys(empty),
        "id": "img_1",
        "state": state,
        "kind": "image",
        "url": f"{URL}/i/img_1/original.jpg?v=1",
        "thumbnails": {"thumb": f"{URL}/i/img_1/thumb?v=1"},
        "page_url": f"{URL}/p/img_1",
        "tags": [],
        "visibility": "public",
        "version": 1,
        "format": "jpeg",
        "width": 4,
        "height": 3,
        "frames": 1,
        "bytes": 9,
        "sha256": "00",
        "deduplicated": False,
        "created_at": "2026-11-20T12:00:00.000Z",
        **told,
    }


def link(method: str, *, url: str = f"{URL}/up", **told: object) -> dict[str, object]:
    """Return the JSON of an upload that is reserved."""
    return {
        "id": "upl_1",
        "image_id": "img_1",
        "state": "requested",
        "method": method,
        "upload": {"url": url, "method": "PUT", "headers": {}},
        "write_token": "ttw_token",
        "read_token": None,
        "expires_at": "2026-11-21T12:00:00.000Z",
        **told,
    }


def path_of(request: Request) -> str:
    """Return the URL without its query."""
    return request.url.partition("?")[0]


def content(body: bytes | Slice) -> bytes:
    """Return the bytes of a body."""
    return body if isinstance(body, bytes) else body.source.read(body.offset, body.length) if body.length else b""
