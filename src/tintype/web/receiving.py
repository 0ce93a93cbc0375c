"""Requests whose body is a file: its bytes are counted, checked against the header, and read on after a refusal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from multipart import parse_options_header

from tintype.domain.errors import Code, Problem
from tintype.web.body import AFTER_ANSWER_KEY, RequestBody
from tintype.web.checksums import BodyChecksums
from tintype.web.form_file import MAX_PARTS
from tintype.web.images_api import ApiRequest, ImagesApi


@asynccontextmanager
async def receiving(request: ApiRequest, api: ImagesApi) -> AsyncIterator[RequestBody]:
    """Give the body; when the block refuses it, the rest is read once the answer is sent."""
    body = RequestBody(request.receive, declared=content_length(request), limits=api.body_limits)
    try:
        body.expect(BodyChecksums(request.scope["headers"]))
        yield body
    except Problem:
        if "expect" not in request.headers or body.received:  # who waits for 100 Continue has sent nothing
            request.scope["state"][AFTER_ANSWER_KEY] = body.drain
        raise
    finally:
        api.metrics.upload_bytes.inc(body.received)


def content_length(request: ApiRequest) -> int | None:
    """Return how many bytes the header says that the body has, None when it does not say."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def form_boundary(request: ApiRequest) -> str | None:
    """Return what separates the parts of the form, None when the body is none; `Problem` when it is not named."""
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type != "multipart/form-data":
        return None
    if not options.get("boundary"):
        raise Problem(Code.REQUEST_UNREADABLE, "The Content-Type of the form has no boundary.")
    return str(options["boundary"])


def query_fields(request: ApiRequest) -> list[tuple[str, str]]:
    """Return the fields of the query; `Problem` when there are too many."""
    query = request.scope["query_string"].decode("latin-1")
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARTS)
    except ValueError as error:
        raise Problem(Code.REQUEST_UNREADABLE, f"The query has more than {MAX_PARTS} fields.") from error
