"""How long a session lasts: until nobody used it for a month, and never beyond a quarter of a year."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

IDLE: Final = timedelta(days=30)
"""A device that was not used for so long was lost, or left to somebody else."""

LONGEST: Final = timedelta(days=90)
"""After that people show once more who they are, used every day or not (OWASP ASVS 5.0, 7.3)."""

MOST: Final = 100
"""Sessions of one account; the oldest make room. Nobody has more devices, and a script that signs in again and again
has an API key to use instead."""

MAX_AGENT_CHARACTERS: Final = 300
"""Of the browser's own name, for its owner to recognise it by."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its owner sees it; `address` and `agent` are those that signed in."""

    id: int
    account: int
    address: str | None
    agent: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
