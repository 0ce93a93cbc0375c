"""One call to the API: the request as the server wants it, attempts until it is answered, refusals as exceptions."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from tintype_client.core.effects import Broken, Flow, Request, Response, Slice, Source, pause, send
from tintype_client.core.retries import PASSING, PASSING_CODES, RetryPolicy, retry_after
from tintype_client.errors import ApiError, ConnectionFailed, api_error
from tintype_client.models import Image

BASE_PATH: Final = "/api/v1"

_STORAGE_CODE: Final = re.compile(rb"<Error>.*?<Code>(\w{1,60})</Code>", re.DOTALL)
"""In the XML of S3, which answers what is sent to storage itself."""

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Api:
    """Where the server is, and who asks. Its credential goes to this server alone, never to storage."""

    url: str
    """Without the slash at its end."""
    api_key: str | None
    retries: RetryPolicy
    user_agent: str

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        content: object = None,
        body: Slice | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Flow[Response]:
        """Return the answer to a request that may safely be sent again; `ApiError` when it is a refusal.

        `content` is sent as JSON, `body` as it is; `token` is a write token.
        """
        request = self.request(method, path, query=query, content=content, body=body, headers=headers, token=token)
        return (yield from persist(request, self.retries))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        content: object = None,
        body: Slice | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Request:
        """Return the request, with who asks."""
        sent = {"accept": "application/json", **self.identification(token)}
        if content is not None:
            sent["content-type"] = "application/json"
        written = json.dumps(content, ensure_ascii=False).encode() if content is not None else b""
        return Request(method, self.address(path, query), {**sent, **(headers or {})}, body or written)

    def identification(self, token: str | None = None) -> dict[str, str]:
        """Return the headers that say who asks."""
        named = {"user-agent": self.user_agent}
        if self.api_key:
            named["authorization"] = f"Bearer {self.api_key}"
        if token:
            named["upload-token"] = token
        return named

    def address(self, path: str, query: Query = ()) -> str:
        """Return the URL of a path below the API's base."""
        return f"{self.url}{BASE_PATH}{path}" + (f"?{urlencode(query)}" if query else "")

    def ours(self, url: str) -> bool:
        """Return whether this URL is the server's own: it alone may see the credential."""
        return origin(url) == origin(self.url)


def persist(request: Request, policy: RetryPolicy) -> Flow[Response]:
    """Send the request until it is answered; `ApiError` for a refusal, `ConnectionFailed` without any answer."""
    attempt = 1
    while True:
        try:
            response = yield from send(request)
        except Broken as broken:
            failure: ApiError | ConnectionFailed = unreachable(request.url, broken)
        else:
            if response.status < 400:
                return response
            failure = refusal(response)
            if not passes(failure):
                raise failure
        attempt += 1
        yield from wait_or_raise(policy, attempt, failure)


def wait_or_raise(policy: RetryPolicy, attempt: int, failure: ApiError | ConnectionFailed) -> Flow[None]:
    """Wait for the time of this attempt; raise `failure` when there is to be no further one."""
    asked = failure.retry_after if isinstance(failure, ApiError) else None
    seconds = policy.wait_before(attempt, asked)
    if seconds is None:
        raise failure
    if policy.on_retry is not None:
        policy.on_retry(failure, seconds)
    yield from pause(seconds)


def passes(failure: ApiError) -> bool:
    """Return whether the same request may get another answer in a moment."""
    return failure.status in PASSING or failure.code in PASSING_CODES


def refusal(response: Response) -> ApiError:
    """Return the exception that the answer is."""
    return api_error(response.status, problem_of(response), retry_after=retry_after(response.headers))


def problem_of(response: Response) -> dict[str, Any]:
    """Return the problem that the answer tells of (RFC 9457), empty when it is something else."""
    try:
        told = json.loads(response.body)
    except ValueError:
        code = _STORAGE_CODE.search(response.body)
        return {"code": f"storage.{code[1].decode()}"} if code else {}
    return told if isinstance(told, dict) else {}


def told(response: Response) -> dict[str, Any]:
    """Return the JSON object of a good answer."""
    value = problem_of(response)
    if not value:
        raise api_error(502, {"code": "http.unreadable", "detail": "The answer is not JSON: is this a Tintype server?"})
    return value


def shown_image(response: Response) -> Image:
    """Return the image that a good answer shows."""
    return Image.from_json(told(response), etag=response.headers.get("etag"))


def unreachable(url: str, broken: Broken) -> ConnectionFailed:
    """Return the exception for a server that does not answer. A signed URL's query is a secret: only its host shows."""
    return ConnectionFailed(f"{origin(url)} did not answer: {str(broken).rstrip('.')}.")


def file_headers(source: Source, sha256: bytes) -> dict[str, str]:
    """Return what to say of a file that is the body; the server holds the body against the digest (RFC 9530)."""
    return {
        "content-type": source.content_type,
        "content-length": str(source.size),
        "content-digest": f"sha-256=:{b64encode(sha256).decode()}:",
    }


def origin(url: str) -> str:
    """Return the scheme and host of the URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def segment(text: str) -> str:
    """Return the text as one segment of a path."""
    return quote(text, safe="")
