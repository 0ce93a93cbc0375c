"""A client of server-sent events, as a browser's is: name, id and data of each, and what comes between them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

PATIENCE_SECONDS: Final = 30.0
"""How long nothing at all may come: a heartbeat is due far sooner."""


@dataclass(frozen=True)
class Event:
    """An event, or a comment (without a name) between two of them."""

    name: str
    id: str = ""
    data: Any = None


@dataclass
class Stream:
    """An open stream; iterating over it gives its events until it ends."""

    answer: httpx.Response

    def __post_init__(self) -> None:
        self._lines = self.answer.iter_lines()

    def everything(self) -> Iterator[Event]:
        """Yield each event and each comment."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                yield Event("")
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
                fields = {}

    def __iter__(self) -> Iterator[Event]:
        return (event for event in self.everything() if event.name)


@contextmanager
def following(client: httpx.Client, image_id: str, *, last: str | None = None, **query: str) -> Iterator[Stream]:
    """Follow an image; the connection is cut at the end of the block, whether or not the stream has ended."""
    headers = {} if last is None else {"last-event-id": last}
    path = f"/api/v1/images/{image_id}/events"
    with client.stream("GET", path, params=query, headers=headers, timeout=PATIENCE_SECONDS) as answer:
        yield Stream(answer)


def followed(client: httpx.Client, image_id: str, *, last: str | None = None, **query: str) -> list[Event]:
    """Return every event until the stream ends."""
    with following(client, image_id, last=last, **query) as stream:
        assert stream.answer.status_code == httpx.codes.OK, stream.answer.read()
        return list(stream)
