"""tus 1.0.0 (tus.io/protocols/resumable-upload): pieces one after the other, from wherever the server says it is.

A piece that fails is no failure of the upload: the server is asked how much it has, and the next piece begins there.
Only attempts that bring nothing count, so that a line that breaks every minute gets there in the end.
"""

from base64 import b64encode
from typing import Final

from tintype_client.core.api import Api, passes, persist, refusal, unreachable, wait_or_raise
from tintype_client.core.effects import Broken, Flow, Request, Response, Slice, Source, digest, send
from tintype_client.core.progress import Meter
from tintype_client.errors import ApiError, ConnectionFailed, api_error
from tintype_client.models import UploadLink

PIECE_BYTES: Final = 8 * 1024 * 1024
"""In one PATCH: what a wrong checksum costs; a broken connection costs less, as the server keeps what it got."""

AGAIN: Final = frozenset({409, 423, 460})
"""Answers after which the offset is asked for: another request holds the upload, or a piece arrived damaged."""

_VERSION: Final = {"tus-resumable": "1.0.0"}


def send_pieces(api: Api, source: Source, link: UploadLink, meter: Meter) -> Flow[None]:
    """Return when the server has the whole file."""
    offset = yield from _offset(api, link)
    attempt = 1
    while offset < source.size:
        meter.arrived(0, offset)
        reached, failure = yield from _send_piece(api, source, link, offset, meter)
        if failure is None:
            offset, attempt = reached, 1
            continue
        attempt += 1
        yield from wait_or_raise(api.retries, attempt, failure)
        before, offset = offset, (yield from _offset(api, link))
        if offset > before:
            attempt = 1


def _send_piece(
    api: Api, source: Source, link: UploadLink, offset: int, meter: Meter
) -> Flow[tuple[int, ApiError | ConnectionFailed | None]]:
    """Return the offset after the piece, or why it did not go; `ApiError` for a refusal that will not pass."""
    piece = Slice(source, offset, min(PIECE_BYTES, source.size - offset), meter.part(offset))
    checksum = b64encode((yield from digest(piece))).decode()
    headers = {
        **_headers(api, link),
        "content-type": "application/offset+octet-stream",
        "content-length": str(piece.length),
        "upload-offset": str(offset),
        "upload-checksum": f"sha256 {checksum}",
    }
    try:
        answer = yield from send(Request("PATCH", link.url, headers, piece))
    except Broken as broken:
        return offset, unreachable(link.url, broken)
    if answer.status < 300:
        return _told_offset(answer), None
    failure = refusal(answer)
    if answer.status in AGAIN or passes(failure):
        return offset, failure
    raise failure


def _offset(api: Api, link: UploadLink) -> Flow[int]:
    answer = yield from persist(Request("HEAD", link.url, _headers(api, link)), api.retries)
    return _told_offset(answer)


def _told_offset(answer: Response) -> int:
    text = answer.headers.get("upload-offset", "")
    if not (text.isascii() and text.isdigit()):
        raise api_error(502, {"code": "http.unreadable", "detail": "The answer has no Upload-Offset: is this tus?"})
    return int(text)


def _headers(api: Api, link: UploadLink) -> dict[str, str]:
    own = api.identification(link.write_token) if api.ours(link.url) else {"user-agent": api.user_agent}
    return {**own, **link.headers, **_VERSION}
