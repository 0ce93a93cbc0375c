"""Pages of other sites that call the API (the Fetch standard's CORS protocol): the tenant of the host says which.

A preflight carries no credential, so that only the host name can say whose API is called; the answer to the request
itself follows the same rule. A listed origin may send the session's cookie and read what comes back. Any other origin
gets what `*` gives it, if the tenant lists that: answers without a cookie. A browser shows the rest to nobody.

Image bytes need none of this: they are for any page, without a cookie (`delivery_answer.py`).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from tintype.domain.errors import Problem
from tintype.domain.tenant import ANY_ORIGIN
from tintype.reads.tenants import Tenants
from tintype.web.auth import Authenticator
from tintype.web.errors import RawHeaders

PREFIX: Final = "/api/"

MAX_AGE_SECONDS: Final = 600
"""How long a browser believes a preflight: an origin that is taken off the list is refused its answers at once."""

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"

REQUEST_HEADERS: Final = ", ".join(
    (
        *("Accept", "Authorization", "Cache-Control", "Content-Digest", "Content-MD5", "Content-Type"),
        *("Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "Last-Event-ID", "Prefer"),
        *("Repr-Digest", "Traceparent", "Tracestate", "Tus-Resumable", "Upload-Checksum", "Upload-Concat"),
        *("Upload-Defer-Length", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Upload-Token"),
        *("X-CSRF-Token", "X-HTTP-Method-Override", "X-Request-Id", "X-Requested-With"),
    )
)
"""What a page may send: all that the API reads."""

ANSWER_HEADERS: Final = ", ".join(
    (
        *("ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed"),
        *("Preference-Applied", "X-Request-Id", "Tintype-Image", "Upload-Offset", "Upload-Length"),
        *("Upload-Expires", "Upload-Metadata", "Upload-Defer-Length", "Upload-Concat", "Tus-Resumable"),
        *("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm", "WWW-Authenticate"),
    )
)
"""What a page may read: a browser hides every header that is not named here."""

VARY: Final = (b"vary", b"Origin")

_EXPOSED: Final = (b"access-control-expose-headers", ANSWER_HEADERS.encode())
_CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")
_PREFLIGHT: Final[RawHeaders] = [
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
    (b"access-control-max-age", str(MAX_AGE_SECONDS).encode()),
]


class Cors:
    """Says what pages of other sites may see."""

    def __init__(self, authenticator: Authenticator, tenants: Tenants) -> None:
        self._authenticator = authenticator
        self._tenants = tenants

    async def headers(self, scope: Mapping[str, Any]) -> RawHeaders:
        """Return what is added to the answer of a request to the API."""
        request = dict(scope["headers"])
        origin = request.get(b"origin")
        allowed = await self._allowed(request, origin) if origin is not None else []
        return [VARY, *allowed, _EXPOSED] if allowed else [VARY]

    async def preflight(self, scope: Mapping[str, Any]) -> RawHeaders | None:
        """Return the headers of the answer to a preflight, None for a request that is none."""
        request = dict(scope["headers"])
        origin = request.get(b"origin")
        if scope["method"] != "OPTIONS" or origin is None or b"access-control-request-method" not in request:
            return None
        allowed = await self._allowed(request, origin)
        return [VARY, *allowed, *_PREFLIGHT] if allowed else [VARY]

    async def _allowed(self, request: Mapping[bytes, bytes], origin: bytes) -> RawHeaders:
        origins: tuple[str, ...] = ()
        with suppress(Problem):  # a database that is away is what the request itself will be told
            host = request.get(b"host", b"").decode("latin-1")
            origins = (await self._tenants.get(await self._authenticator.tenant_of_host(host))).tenant.origins
        if origin.decode("latin-1") in origins:
            return [(b"access-control-allow-origin", origin), _CREDENTIALS]
        return [(b"access-control-allow-origin", b"*")] if ANY_ORIGIN in origins else []
