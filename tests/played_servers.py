"""Servers of uploads as tests of the Python client's core play them: in memory, and failing on purpose."""

import json
from typing import Any, cast

from memory_driver import KEY, URL, answered, api, content, image, link, path_of
from tintype_client.core.effects import Broken, Flow, Request, Response
from tintype_client.core.options import UploadOptions, upload_of
from tintype_client.models import Image
from tintype_client.sources import BytesSource

DATA = b"\xff\xd8\xff" + bytes(range(256)) * 40
"""10,243 bytes that begin as a JPEG does."""


def upload(data: bytes = DATA, *, key: str | None = KEY, **options: Any) -> Flow[Image]:  # noqa: ANN401 -- any option
    """Return the upload of these bytes."""
    return upload_of(api(key), BytesSource(data, name="cat.jpg"), cast("UploadOptions", options)).run()


def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON that was sent."""
    told: dict[str, Any] = json.loads(content(request.body))
    return told


class Parts:
    """A server of multipart uploads with parts of `size` bytes."""

    def __init__(self, size: int, *, urls: int = 100) -> None:
        self.size, self.urls = size, urls
        self.there: dict[int, bytes] = {}
        self.completed: list[dict[str, object]] = []
        self.fails: dict[int, list[Response | None]] = {}
        self.state = "receiving"
        self.source_sha256: str | None = None

    def __call__(self, request: Request) -> Response:
        """Answer the request."""
        path = path_of(request)
        if request.method == "POST":
            return self._post(request, path)
        if request.method == "PUT":
            return self._put(int(path.rpartition("/")[2]), content(request.body))
        if "/uploads/" in path and request.method == "GET":
            shown = [{"number": number, "etag": f'"{number}"'} for number in self.there]
            return answered(200, {"id": "upl_1", "state": self.state, "parts": shown})
        return answered(204) if request.method == "DELETE" else answered(200, image(source_sha256=self.source_sha256))

    def _post(self, request: Request, path: str) -> Response:
        if path.endswith("/complete"):
            self.completed = body_of(request)["parts"]
            return answered(200, image("processing"))
        if path.endswith("/parts"):
            return answered(200, {"parts": [self._part(number, "again") for number in body_of(request)["numbers"]]})
        parts = [self._part(number, "first") for number in range(1, self.urls + 1)]
        return answered(201, link("multipart", part_size=self.size, parts=parts))

    def _put(self, number: int, data: bytes) -> Response:
        failing = self.fails.get(number)
        if failing:
            answer = failing.pop(0)
            if answer is None:
                raise Broken("cut")
            return answer
        self.there[number] = data
        return answered(200, etag=f'"{number}"')

    @staticmethod
    def _part(number: int, which: str) -> dict[str, object]:
        return {"number": number, "url": f"https://storage.example.com/{which}/{number}"}


class Tus:
    """A server of tus uploads that keeps what came in before the connection broke."""

    def __init__(self, *, cuts: tuple[int, ...] = ()) -> None:
        self.data = b""
        self.cuts = list(cuts)
        self.answers: list[Response] = []

    def __call__(self, request: Request) -> Response:
        """Answer the request."""
        if request.method == "HEAD":
            return answered(200, upload_offset=str(len(self.data)))
        if request.method == "PATCH":
            return self._patch(request)
        if request.method == "POST":
            return answered(201, link("tus", url=f"{URL}/api/v1/tus/upl_1"))
        return answered(204) if request.method == "DELETE" else answered(200, image())

    def _patch(self, request: Request) -> Response:
        assert request.headers["upload-offset"] == str(len(self.data))
        if self.answers:
            return self.answers.pop(0)
        data = content(request.body)
        if self.cuts:
            self.data += data[: self.cuts.pop(0)]
            raise Broken("cut")
        self.data += data
        return answered(204, upload_offset=str(len(self.data)))
