"""Recovery codes: what an account gets in with when its authenticator app is lost, each once.

24 characters of base32 in four groups, 120 random bits: so many that a plain SHA-256 is enough to store them by
(OWASP ASVS 5.0, 6.5.2 asks for a slow hash below 112). What people mistype is read as what they meant.
"""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

CODES: Final = 10
"""As many as an account has at once."""

CODE_BYTES: Final = 15
CHARACTERS: Final = 24
_GROUP: Final = 6

_MEANT: Final = str.maketrans({"0": "o", "1": "l", "8": "b"})
"""Base32 (RFC 4648 §6) has no 0, 1 and 8: who types one misread a letter."""


def spell_code(random: bytes) -> str:
    """Return the code of 15 random bytes, as it is shown: `abcdef-ghijkl-mnopqr-stuvwx`."""
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, CHARACTERS, _GROUP))


def read_code(text: str) -> bytes | None:
    """Return the hash of the code that somebody typed, with or without hyphens; None when it is no such code."""
    typed = "".join(text.split()).replace("-", "").lower().translate(_MEANT)
    if len(typed) != CHARACTERS or not typed.isascii() or not typed.isalnum() or "9" in typed:
        return None
    return hashlib.sha256(typed.encode()).digest()


def hash_codes(codes: Iterable[str]) -> list[bytes]:
    """Return the hashes of codes that were spelt here."""
    return [hashlib.sha256(code.replace("-", "").encode()).digest() for code in codes]
