"""Bearer tokens: a prefix that says what it is for, the id that routes it, and 128 bits nobody can guess.

Only a SHA-256 of the secret is stored; 128 random bits need no slow hash. The tokens of an upload are derived from the
server's key and the image's id, so that a repeated answer can repeat them.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tintype.domain.ids import WIDTH, BadId, base62, from_base62

SECRET_BYTES: Final = 16
_SECRET_WIDTH: Final = 22


class Purpose(StrEnum):
    """What a token allows; the value is its prefix."""

    API_KEY = "ttk_"
    WRITE = "ttw_"
    READ = "ttr_"
    SESSION = "tts_"
    CSRF = "ttc_"
    SETUP = "ttu_"
    VERIFY_EMAIL = "ttv_"
    PASSWORD_RESET = "ttp_"  # noqa: S105 -- a prefix
    DEVICE = "ttd_"
    """That somebody signed in to an account with this browser before."""
    DELETION = "tte_"
    """To read the receipt of an account's deletion, once nobody can sign in to it."""
    RESUME = "upl_"
    """To send bytes of a resumable upload, and to give it up: the last word of its address. It opens nothing else."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart. Its text is a secret: never log it."""

    purpose: Purpose
    id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Token({self.purpose}…)"

    def reveal(self) -> str:
        """Return the text that the client keeps."""
        return self.purpose + base62(self.id) + base62(int.from_bytes(self.secret, "big"), _SECRET_WIDTH)

    @property
    def hash(self) -> bytes:
        """What is stored of it: 32 bytes."""
        return hashlib.sha256(self.secret).digest()

    def matches(self, stored_hash: bytes | None) -> bool:
        """Return whether this is the token that was stored, in time that tells nothing."""
        return stored_hash is not None and hmac.compare_digest(self.hash, stored_hash)


def parse_token(purpose: Purpose, text: str) -> Token | None:
    """Return the token that `text` spells, or None when it is not one of this purpose."""
    if not text.startswith(purpose) or len(text) != len(purpose) + WIDTH + _SECRET_WIDTH:
        return None
    digits = text[len(purpose) :]
    try:
        object_id, secret = from_base62(digits[:WIDTH]), from_base62(digits[WIDTH:])
    except BadId:
        return None
    if object_id >= 1 << 63 or secret >= 1 << 128:
        return None
    return Token(purpose, object_id, secret.to_bytes(SECRET_BYTES, "big"))


def derive_token(server_key: bytes, purpose: Purpose, object_id: int) -> Token:
    """Return the one token of this purpose for the object, the same each time for one server key."""
    text = f"tintype/token/{purpose}{object_id}".encode()
    return Token(purpose, object_id, hmac.digest(server_key, text, "sha256")[:SECRET_BYTES])


def is_derived(server_key: bytes, token: Token) -> bool:
    """Return whether the token is the one that derives from the server's key, in time that tells nothing."""
    return hmac.compare_digest(derive_token(server_key, token.purpose, token.id).secret, token.secret)


def derive_key(server_key: bytes, key_id: int, repeated_by: str) -> Token:
    """Return the API key that a request makes which may be repeated by this Idempotency-Key, the same each time.

    What the client chose is part of it and is stored nowhere: the server's key alone tells no API key.
    """
    text = f"tintype/token/{Purpose.API_KEY}{key_id}/{repeated_by}".encode()
    return Token(Purpose.API_KEY, key_id, hmac.digest(server_key, text, "sha256")[:SECRET_BYTES])
