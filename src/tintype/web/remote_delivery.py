"""Bytes that lie in a bucket are sent by who is nearer to them: by the bucket itself, or by an edge of ours before us.

All that is decided is decided here first, at every request: whether there is such an image, who may see it, whether the
client has it already, whether the range makes sense. What is led away is a 200 or a 206 that would have been sent.

*To the bucket*: a redirect to a signed address. It may be kept for less long than its signature holds, and never for
longer than the answer itself might. What must end sooner than the signature does is sent by us instead.

*By the edge*: the answer as it is, without bytes, and with `X-Accel-Redirect`, which nginx takes for where to fetch
them; `X-Tintype-Range` says which. docs/storage.md has the configuration.
"""

import re
import time
from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from tintype.ports.direct_downloads import DirectDownloads
from tintype.web.delivery_answer import PRIVATE, Answer, Representation

LeadAway: TypeAlias = Callable[[Representation, Answer], Answer | None]
"""Returns what is answered instead of the bytes; None when they have to be sent."""

MARGIN_SECONDS: Final = 10
"""A redirect that was kept is followed so long before the signature ends: requests take time, and clocks differ."""

FOR_ITS_READER: Final = "private, max-age=86400"
"""What the bucket says: an address with a signature in it is one reader's, and names the same bytes while it holds."""

EDGE_PREFIX: Final = "/_bucket"
"""Where the edge fetches from the bucket; nobody else can ask for it."""

_MAX_AGE: Final = re.compile(rb"public, max-age=(\d+).*")
_PASSED_ON: Final = frozenset({b"vary", b"cache-tag", b"cross-origin-resource-policy", b"access-control-allow-origin"})
_NOT_FOR_THE_EDGE: Final = frozenset({b"content-length", b"content-range"})


class RedirectToBucket:
    """Sends readers to the bucket."""

    def __init__(self, downloads: DirectDownloads) -> None:
        self._downloads = downloads

    def __call__(self, found: Representation, _reply: Answer) -> Answer | None:
        """Return the redirect; None when the bytes must be out of reach before its signature ends."""
        given = dict(found.headers)
        address = self._downloads.address(
            found.file.key,
            content_type=given[b"content-type"].decode(),
            disposition=given[b"content-disposition"].decode(),
            cache_control=FOR_ITS_READER if given[b"cache-control"].startswith(b"public") else PRIVATE,
        )
        seconds = address.lifetime.total_seconds()
        if found.ends_at is not None and found.ends_at - time.time() < seconds:
            return None
        headers = [
            (b"location", address.url.encode()),
            (b"content-length", b"0"),
            (b"cache-control", _kept(given[b"cache-control"], int(seconds) - MARGIN_SECONDS)),
            *((name, value) for name, value in found.headers if name in _PASSED_ON),
        ]
        return Answer(302, headers)


class HandToEdge:
    """Has the edge fetch and send."""

    def __init__(self, downloads: DirectDownloads) -> None:
        self._downloads = downloads

    def __call__(self, found: Representation, reply: Answer) -> Answer:
        """Return the answer for the edge."""
        given = dict(found.headers)
        address = self._downloads.address(
            found.file.key,
            content_type=given[b"content-type"].decode(),
            disposition=given[b"content-disposition"].decode(),
            cache_control="private",  # the edge says ours instead
        )
        parts = urlsplit(address.url)
        headers = [header for header in found.headers if header[0] not in _NOT_FOR_THE_EDGE]
        headers.append((b"x-accel-redirect", f"{EDGE_PREFIX}{parts.path}?{parts.query}".encode()))
        if reply.status == 206 and reply.content is not None:
            headers.append((b"x-tintype-range", f"bytes={reply.content.start}-{reply.content.end}".encode()))
        return Answer(200, headers)


def _kept(freshness: bytes, seconds: int) -> bytes:
    """Return how long the redirect may be kept that stands for an answer of such freshness."""
    found = _MAX_AGE.fullmatch(freshness)
    if found is not None:
        return b"public, max-age=%d" % max(0, min(int(found[1]), seconds))
    if freshness == b"public":  # until the end of the image, which is later than that of the signature
        return b"public, max-age=%d" % max(0, seconds)
    return freshness
