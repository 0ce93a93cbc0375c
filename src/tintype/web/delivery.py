"""`/i/{image}/{preset}[.{ext}]`: image bytes, past the framework, straight to the kernel.

The hot path touches no database and no disk: the record is remembered, the headers are ready, a small file is in memory
and a larger one is sent by the server (`pathsend`). Everything else is the slow path, once per representation and
process: load, check, choose, make.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from tintype.domain.change import expired
from tintype.domain.errors import Code, Problem
from tintype.domain.image import SERVED, Image, State
from tintype.domain.signing import Signature
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.view import ViewedImage
from tintype.domain.visibility import Viewer
from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords
from tintype.web.auth import SESSION_COOKIE, Authenticator, Credentials, cookie_in
from tintype.web.delivery_answer import FOR_SECONDS, PRIVATE, Answer, Representation, answer
from tintype.web.errors import RawHeaders, problem_answer
from tintype.web.negotiation import choose_format
from tintype.web.remote_delivery import LeadAway
from tintype.web.representations import Later, Representations, Wanted, parse_url
from tintype.web.signed_delivery import SignedRepresentation, SignedUrls, keep
from tintype.web.small_files import SmallFiles
from tintype.web.view_rules import ViewRules

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PREFIX: Final = "/i/"
ROUTE: Final = "/i/{image}/{preset}"

_ANY_PAGE: Final = (b"access-control-allow-origin", b"*")
"""Pages of any site may read image bytes, as a canvas does, without a cookie: where they are led and why not, too."""

_READING: Final = frozenset({"GET", "HEAD"})
_PLAIN_QUERY: Final = re.compile(rb"(?:v=[0-9]{1,9})?")
_PUBLIC_ID: Final = slice(len(PREFIX), len(PREFIX) + 26)


class Delivery:
    """Answers requests for image bytes, as a plain ASGI application."""

    def __init__(
        self,
        *,
        records: DeliveryRecords,
        representations: Representations,
        blobs: BlobStore,
        authenticator: Authenticator,
        signed_urls: SignedUrls,
        count_view: Callable[[ViewedImage], None],
        lead_away: LeadAway | None = None,
    ) -> None:
        """`count_view` is called beside every view, and waits for nothing.

        `lead_away` has somebody else send the bytes, where they lie elsewhere.
        """
        self._records = records
        self._representations = representations
        self._blobs = blobs
        self._small_files = SmallFiles(blobs)
        self._authenticator = authenticator
        self._signed_urls = signed_urls
        self._view_rules = ViewRules()
        self._count_view = count_view
        self._lead_away = lead_away

    async def __call__(self, scope: Scope, send: Send, request_id: str) -> str | None:
        """Answer, and return the code of a refusal."""
        try:
            await self._respond(scope, send)
        except Problem as problem:
            return await refuse(scope, send, problem, request_id)
        return None

    async def _respond(self, scope: Scope, send: Send) -> int:
        request = dict(scope["headers"])
        record = self._records.remembered(scope["path"][_PUBLIC_ID])
        if record is not None and scope["method"] in _READING:
            ready = record.prepared.get(_prepared_key(scope, request, record.image))
            if isinstance(ready, SignedRepresentation):
                ready = self._signed_urls.ready(ready)
            if isinstance(ready, Representation):
                try:
                    return await self._send_bytes(ready, scope, request, send, again=True)
                except BlobMissing:
                    self._records.forget((record.image.id,))  # the file was lost: it is made again below
        return await self._respond_slowly(scope, request, send)

    async def _respond_slowly(self, scope: Scope, request: dict[bytes, bytes], send: Send) -> int:
        if scope["method"] not in _READING:
            raise Problem(Code.METHOD_NOT_ALLOWED, "Image URLs answer GET and HEAD alone.")
        wanted = parse_url(scope["path"], scope["query_string"])
        record = await self._records.get(wanted.ref)
        image = record.image
        signed = await self._signed_urls.opens(wanted.signature, scope["path"], wanted.version, image)
        viewer = Viewer(shown_token=True) if signed else await self._viewer(record, wanted, request)
        _refuse_unless_served(record, viewer)
        if _is_outdated(wanted, image):
            kept = FOR_SECONDS if record.by_link else PRIVATE
            headers = [(b"location", _current_url(scope["path"], image, wanted)), (b"cache-control", kept.encode())]
            return await _send(send, scope, 302, [*headers, (b"content-length", b"0"), _ANY_PAGE])
        try:
            found = await self._representations.find(record, wanted, _accept(request))
            if isinstance(found, Later):  # without a body: an <img> knows by that that there is no picture yet
                headers = [
                    (b"retry-after", str(found.seconds).encode()),
                    (b"cache-control", b"no-store"),
                    (b"content-length", b"0"),
                    _ANY_PAGE,
                ]
                return await _send(send, scope, 202, headers)
            if signed and wanted.signature is not None:
                found = self._sign_off(scope, request, found, record, wanted.signature)
            else:
                self._prepare(scope, request, found, record)
            return await self._send_bytes(found, scope, request, send)
        except BlobMissing as error:
            raise Problem(Code.INTERNAL, "The bytes of this image cannot be found.") from error
        except BlobStoreFailed as error:
            raise _unreadable() from error

    def _prepare(
        self, scope: Scope, request: Mapping[bytes, bytes], found: Representation, record: DeliveryRecord
    ) -> None:
        """Keep the representation ready, if anybody with the link may have it and its URL is spelt as ours are."""
        if record.by_link and self._is_current(record) and _PLAIN_QUERY.fullmatch(scope["query_string"]):
            record.prepared[_prepared_key(scope, request, record.image)] = found

    def _sign_off(
        self,
        scope: Scope,
        request: Mapping[bytes, bytes],
        found: Representation,
        record: DeliveryRecord,
        signature: Signature,
    ) -> Representation:
        """Return what a signed URL gives of the representation, and keep that ready."""
        signed = SignedRepresentation(found, signature, record.image)
        if self._is_current(record):
            keep(record, _prepared_key(scope, request, record.image), scope["query_string"], signed)
        return self._signed_urls.first(signed)

    def _is_current(self, record: DeliveryRecord) -> bool:
        """Return whether this is what was decided on, and no later version of it is known."""
        return self._records.remembered(str(record.image.ref)) is record

    async def _viewer(self, record: DeliveryRecord, wanted: Wanted, request: Mapping[bytes, bytes]) -> Viewer:
        if record.by_link:
            return Viewer()
        credentials = Credentials(
            authorization=_text(request, b"authorization"),
            cookie=cookie_in(_text(request, b"cookie"), SESSION_COOKIE),
        )
        return await self._authenticator.viewer(record.image, credentials, wanted.token)

    async def _send_bytes(
        self, found: Representation, scope: Scope, request: dict[bytes, bytes], send: Send, *, again: bool = False
    ) -> int:
        """Send the answer; what is asked for `again` is worth keeping in memory.

        `BlobMissing` or `Problem` before anything was sent.
        """
        if scope["method"] == "HEAD":
            return await _send(send, scope, *_headers_alone(found, request))
        reply = answer(found, request)
        if reply.content is None:
            return await _send(send, scope, reply.status, reply.headers)
        whole = reply.content.length == found.file.size
        try:
            content = await self._small_files.read(found.file) if whole and again else None
            if content is not None:
                self._note_view(found, reply, request)
                return await _send(send, scope, reply.status, reply.headers, content)
            if self._lead_away is not None and (led := self._lead_away(found, reply)) is not None:
                self._note_view(found, reply, request)
                return await _send(send, scope, led.status, led.headers)
            if whole and found.file.path is not None and "http.response.pathsend" in scope.get("extensions", ()):
                self._note_view(found, reply, request)
                await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
                await send({"type": "http.response.pathsend", "path": str(found.file.path)})
                return reply.status
            chunks = await self._blobs.read(found.file.key, offset=reply.content.start, length=reply.content.length)
            first = await anext(chunks, b"")  # before anything is sent: what cannot be read is a 503
        except BlobStoreFailed as error:
            raise _unreadable() from error
        self._note_view(found, reply, request)
        return await _send_chunks(send, reply, first, chunks)

    def _note_view(self, found: Representation, reply: Answer, request: Mapping[bytes, bytes]) -> None:
        """Count a view before its first byte leaves: so no picture that arrived was not counted."""
        if found.viewed is None or reply.content is None or reply.content.start:
            return
        if self._view_rules.is_view(request):
            self._count_view(found.viewed)


def _unreadable() -> Problem:
    return Problem(Code.UNAVAILABLE, "These bytes cannot be read right now. Try again in a moment.", retry_after=5)


def _headers_alone(found: Representation, request: dict[bytes, bytes]) -> tuple[int, RawHeaders]:
    """Return what HEAD is answered: as GET, but a range means nothing to it (RFC 9110 §14.2)."""
    reply = answer(found, {name: value for name, value in request.items() if name != b"range"})
    return reply.status, reply.headers


async def _send_chunks(send: Send, reply: Answer, first: bytes, chunks: AsyncIterator[bytes]) -> int:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return reply.status


def _accept(request: Mapping[bytes, bytes]) -> str | None:
    return _text(request, b"accept")


def _text(request: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = request.get(name)
    return value.decode("latin-1") if value is not None else None


def _prepared_key(scope: Scope, request: Mapping[bytes, bytes], image: Image) -> tuple[str, bytes, str]:
    """Return what the choice of a representation depends on: few values, however many headers there are."""
    path: str = scope["path"]
    chosen = "" if "." in path else choose_format(_accept(request), image.recipe.outputs)
    return path, scope["query_string"], chosen


def _is_outdated(wanted: Wanted, image: Image) -> bool:
    """Return whether the URL is one of an earlier version, by its number or by the format that the original had."""
    if image.pending:
        return False
    if wanted.version not in {None, image.version}:
        return True
    replaced = image.version > 1 and wanted.name == "original"
    return replaced and wanted.extension not in {None, image.format.extension}


def _refuse_unless_served(record: DeliveryRecord, viewer: Viewer) -> None:
    image = record.image
    if image.state is State.PURGED:
        raise Problem(Code.IMAGE_GONE, "This image was deleted. Nothing of it is left.")
    if record.expired:
        raise expired()
    if image.state not in SERVED or not record.shown_to(viewer):
        raise Problem(Code.NOT_FOUND, "There is no such image.")


def _current_url(path: str, image: Image, wanted: Wanted) -> bytes:
    token = f"&token={wanted.token}" if parse_token(Purpose.READ, wanted.token or "") else ""
    if wanted.name == "original" and wanted.extension is not None:
        path = f"{PREFIX}{image.ref}/original.{image.format.extension}"
    return f"{path}?v={image.version}{token}".encode()


async def refuse(scope: Scope, send: Send, problem: Problem, request_id: str) -> str:
    """Answer with the problem and return its code."""
    status, headers, body = problem_answer(problem, request_id)
    if status in {404, 410}:
        headers["cache-control"] = FOR_SECONDS
    if status == 405:
        headers["allow"] = "GET, HEAD"
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    await _send(send, scope, status, [*given, _ANY_PAGE], body)
    return problem.code


async def _send(send: Send, scope: Scope, status: int, headers: RawHeaders, body: bytes = b"") -> int:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    return status
