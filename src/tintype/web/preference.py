"""`Prefer` (RFC 7240): what a client would like to be answered.

`return=representation` shows what came of a change; `wait=5` waits for the end of processing, `respond-async` does not.
A preference is no demand: what is not known, or not well formed, is as if it had not been sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LONGEST_WAIT_SECONDS: Final = 10
"""Beyond it a client asks again: proxies in between give up on answers that take much longer."""

APPLIED: Final = {"preference-applied": "return=representation"}

MAX_CHARACTERS: Final = 1024
"""Of the header; what is longer is read no further. The longest that RFC 7240 shows has 44."""

# `*+` never goes back: with `*` two runs of blanks beside each other would be shared out in every possible way.
_PREFERENCE: Final = re.compile(r"\s*+([A-Za-z-]{1,40})\s*+(?:=\s*+\"?([^\s\",;]*+)\"?\s*+)?(?:;.*)?")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a request prefers about waiting, and how the answer says what was done about it."""

    wait_seconds: int = 0
    """How long to wait for the end of processing: 0 is not at all."""
    respond_async: bool = False

    @property
    def applied(self) -> dict[str, str]:
        """The headers that say what was honoured."""
        if self.wait_seconds:
            return {"preference-applied": f"wait={self.wait_seconds}"}
        return {"preference-applied": "respond-async"} if self.respond_async else {}


def parse_preferences(headers: Mapping[str, str]) -> Preferences:
    """Return how long the client would wait."""
    given = _given(headers)
    wait = given.get("wait", "")
    seconds = min(int(wait), LONGEST_WAIT_SECONDS) if re.fullmatch(r"[0-9]{1,9}", wait) else 0
    return Preferences(seconds, respond_async="respond-async" in given)


def wants_representation(headers: Mapping[str, str]) -> bool:
    """Return whether the client prefers to see what came of its request."""
    return _given(headers).get("return", "").lower() == "representation"


def _given(headers: Mapping[str, str]) -> dict[str, str]:
    """Return every preference by its name; of one that stands there twice, the first counts (RFC 7240 §2)."""
    given: dict[str, str] = {}
    for text in headers.get("prefer", "")[:MAX_CHARACTERS].split(","):
        match = _PREFERENCE.fullmatch(text)
        if match is not None:
            given.setdefault(match[1].lower(), match[2] or "")
    return given
