"""`GET /images/{id}/events`: the progress of an image as server-sent events (WHATWG HTML §9.2).

`state` says what the image is now, `variant` that a size of it can be had, `failed` that it never will be shown; each
carries the image's JSON. The stream ends with processing, with the image, with the right to see it, with the client or
with this process; a client that comes back after the end is told not to (204).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from litestar.types import Receive, Scope, Send

from tintype.domain.errors import Code, Problem
from tintype.domain.image import State
from tintype.domain.transform import Output, Variant
from tintype.reads.delivery import DeliveryRecord
from tintype.reads.progress import Follower, Step, Told, is_settled, steps
from tintype.web.errors import RawHeaders
from tintype.web.image_json import present_image, present_variant
from tintype.web.images_api import ApiRequest, ImagesApi, look_up, ref_of
from tintype.web.openapi import EventsOperation, problems

HEAD_KEY: Final = "tintype_head"
"""In the scope's state when nobody reads the content: a stream would have no end."""

RETRY_MS: Final = 2_000
"""How long a browser waits before it comes back to a stream that broke."""

LONGEST_SECONDS: Final = 600.0
"""A stream ends after that, and the client comes back to where it was: nodes can be emptied, idle phones let go."""

_STREAM: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the events
    (b"x-content-type-options", b"nosniff"),
]

_FAILED: Final = frozenset({State.REJECTED, State.FAILED})
_HEARTBEAT: Final = b":\n\n"


@get(
    "/images/{image_id:str}/events",
    summary="Follow an image's processing",
    description="Server-sent events `state`, `variant` and `failed`, each with the image; ends when processing does.",
    operation_id="watchImage",
    operation_class=EventsOperation,
    responses=problems(401, 404, 410, 503),
)
async def watch_image(
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    image_id: FromPath[str],
    read_token: Annotated[
        str | None, QueryParameter(name="token", description="The read token of a private image.")
    ] = None,
) -> "EventStream":
    """Return the stream; nothing is held for it before it is sent."""
    return EventStream(_Watch(request, api, image_id, read_token))


class EventStream(Response[bytes]):
    """The answer whose content is written while it is sent."""

    def __init__(self, watch: "_Watch") -> None:
        super().__init__(b"", media_type="text/event-stream")
        self._watch = watch

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 -- the framework's own signature is as wide
        """Return the application that answers."""
        return self._watch


class _Watch:
    """One client that follows one image."""

    def __init__(self, request: ApiRequest, api: ImagesApi, image_id: str, read_token: str | None) -> None:
        self._request = request
        self._api = api
        self._image_id = image_id
        self._ref = ref_of(image_id)
        self._read_token = read_token
        self._owner = False
        self._told = Told.parse(request.headers.get("last-event-id", ""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Subscribe, look, and only then begin to answer: a refusal is an answer like any other."""
        with self._api.progress.place(self._ref.id) as follower:
            record = await self._look()
            if self._told is not None and self._told.ends(record):
                await _send_head(send, 204, [(b"cache-control", b"no-store")])
            elif scope["state"].get(HEAD_KEY):
                await _send_head(send, 200, _STREAM)
            else:
                await self._stream(record, follower, receive, send)

    async def _look(self) -> DeliveryRecord:
        seen = await look_up(self._request, self._api, self._image_id, self._read_token)
        self._owner = seen.owner
        return seen.record

    async def _stream(self, record: DeliveryRecord, follower: Follower, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_until_gone(receive, follower))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS), contextlib.aclosing(self._news(record, follower)) as news:
                    async for text in news:
                        await send({"type": "http.response.body", "body": text, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def _news(self, record: DeliveryRecord, follower: Follower) -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\n\n" % RETRY_MS
        for text in self._tell(record):
            yield text
        if is_settled(record):
            return
        try:
            async for found in self._api.progress.follow(follower, self._look):
                told = list(self._tell(found)) if found is not None else []
                yield b"".join(told) or _HEARTBEAT
                if found is not None and is_settled(found):
                    return
        except Problem as problem:  # deleted, or not for this client's eyes any more: coming back will say so
            if problem.code is Code.IMAGE_GONE:
                for text in self._tell(await self._api.records.get(self._ref)):
                    yield text

    def _tell(self, record: DeliveryRecord) -> list[bytes]:
        variants = variants_of(record)
        told = list(steps(record, variants, self._told))
        if told:
            self._told = told[-1].told
        return [self._event(step) for step in told]

    def _event(self, step: Step) -> bytes:
        image, base_url = step.record.image, self._api.base_url(self._request)
        shown: dict[str, Any] = msgspec.to_builtins(present_image(image, base_url, owner=self._owner))
        name = "failed" if image.state in _FAILED else "state"
        if step.variant is not None:
            name, row = "variant", step.record.variants[step.variant.output.digest]
            shown["variant"] = msgspec.to_builtins(
                present_variant(image, step.variant, row, eager=True, base_url=base_url)
            )
        return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), str(step.told).encode(), msgspec.json.encode(shown))


def variants_of(record: DeliveryRecord) -> tuple[Variant, ...]:
    """Return every preset of the image in each of its formats, always in the same order."""
    return tuple(
        Variant(preset.name, Output(preset.transform, fmt))
        for preset in record.presets
        for fmt in record.image.recipe.outputs
    )


async def _until_gone(receive: Receive, follower: Follower) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    follower.end()


async def _send_head(send: Send, status: int, headers: RawHeaders) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def event_routes(api: ImagesApi) -> Router:
    """Return the route of the stream."""
    return Router(
        path="/api/v1",
        route_handlers=[watch_image],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Images"],
    )
