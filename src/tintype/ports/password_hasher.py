"""Hashing passwords: slow on purpose, so it happens elsewhere than on the event loop, and only so many at once."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password is the one, and whether its hash is weaker than those made today."""

    matches: bool
    outdated: bool


class PasswordHasher(Protocol):
    """Makes and checks hashes of passwords in their normal form. `Problem` unavailable when too many wait already."""

    async def hash(self, password: str) -> str:
        """Return a hash, with its parameters and salt in it, that `check` understands."""
        ...

    async def check(self, password: str, stored: str | None) -> Checked:
        """Return whether the password is the one that was hashed. None takes as long, and never matches."""
        ...
