"""Passkeys: what is kept of one, and what it is called among people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tintype.domain.ids import WIDTH, BadId, from_base62, public_id

PASSKEY_PREFIX: Final = "psk_"

MAX_PASSKEYS: Final = 20
"""Of one account: a telephone, a laptop, a key on the ring and one in the drawer, for somebody who has five of each."""

MAX_NAME_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Passkey:
    """A public key credential of an account (Web Authentication Level 3 §4)."""

    id: int
    account: int
    credential: bytes
    """The id that the authenticator gave it."""
    public_key: bytes
    """In COSE (RFC 9052 §7)."""
    sign_count: int
    transports: tuple[str, ...]
    backed_up: bool
    """Whether it is kept elsewhere than in one device."""
    name: str
    created_at: datetime
    used_at: datetime | None = None

    @property
    def public_id(self) -> str:
        """What the API calls it."""
        return public_id(PASSKEY_PREFIX, self.id)


def parse_passkey_id(text: str) -> int:
    """Return the id that `text` spells; `BadId` when it is none."""
    if not text.startswith(PASSKEY_PREFIX) or len(text) != len(PASSKEY_PREFIX) + WIDTH:
        raise BadId("not the id of a passkey")
    found = from_base62(text[len(PASSKEY_PREFIX) :])
    if found >= 1 << 63:
        raise BadId("the number is too large")
    return found


def counter_is_sound(before: int, now: int) -> bool:
    """Return whether the signature counter went on (Web Authentication Level 3 §6.1.1).

    It stays 0 in authenticators that have none, as most that sync have not; otherwise standing still means a copy.
    """
    return before == now == 0 or now > before
