"""Whether a request for a large picture is somebody's view, as far as its headers tell.

Counted is what is sent: 200, and the part that begins with the first byte (the others belong to the same look). HEAD,
304, redirects and refusals send nothing. Not counted is who says that nobody looks: a browser that fetches ahead, and a
robot by its own name. Whoever sends no name is counted, for apps and libraries do not, and people use those.
"""

import re
from collections.abc import Mapping
from typing import Final

_AHEAD: Final = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
"""Where browsers say that nobody may ever see what they ask for (Fetch §sec-purpose, and what came before it)."""

_AHEAD_WORDS: Final = (b"prefetch", b"prerender", b"preview")

_ROBOT: Final = re.compile(
    rb"(?<!cu)bot\b|(?<!cu)bot[/;_-]|robot|crawl|spider|slurp|externalhit|embedly|iframely|preview|lighthouse|headless"
    rb"|pingdom|uptime|monitoring|archiver|feedfetcher|scrapy|^whatsapp/|mastodon/|pagerenderer",
    re.IGNORECASE,
)
"""Names that say so themselves. (CUBOT is a telephone.)"""

REMEMBERED_AGENTS: Final = 2_000
"""User-Agent is anybody's to write; past so many the memory begins anew."""

MAX_AGENT_BYTES: Final = 512
"""What is longer is read so far and not remembered."""


class ViewRules:
    """Tells views from other requests, and remembers which names are robots'."""

    def __init__(self) -> None:
        self._robots: dict[bytes, bool] = {}

    def is_view(self, request: Mapping[bytes, bytes]) -> bool:
        """Return whether somebody looks, by the request's headers."""
        if not _AHEAD.isdisjoint(request) and _fetches_ahead(request):
            return False
        agent = request.get(b"user-agent", b"")
        known = self._robots.get(agent)
        return not (self._learn(agent) if known is None else known)

    def _learn(self, agent: bytes) -> bool:
        robot = _ROBOT.search(agent[:MAX_AGENT_BYTES]) is not None
        if len(agent) <= MAX_AGENT_BYTES:
            if len(self._robots) >= REMEMBERED_AGENTS:
                self._robots.clear()
            self._robots[agent] = robot
        return robot


def _fetches_ahead(request: Mapping[bytes, bytes]) -> bool:
    said = b" ".join(request.get(name, b"") for name in _AHEAD).lower()
    return any(word in said for word in _AHEAD_WORDS)
