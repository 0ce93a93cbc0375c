"""Secrets that lie in the database and are needed again: sealed, so that whoever reads the database alone learns none.

What only has to be recognised is stored as a hash instead (tokens, recovery codes). What has to be used, such as the
secret of an authenticator app or a key that signs URLs, is sealed with AES-256-GCM under a key that derives from the
server's own (HKDF, RFC 5869). The associated data says in which row a value lies: copied into another row it opens no
more. A sealed value names its key, so that the server's key can be changed while values under the old one still open.

    version (1 byte) · key id (4) · nonce (12) · ciphertext and tag (length of the secret + 16)

Nonces are random: under one key 2³² values may be sealed (NIST SP 800-38D §8.3), more than there will be accounts.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION: Final = b"\x01"
KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
NONCE_BYTES: Final = 12
"""What AES-GCM is made for (NIST SP 800-38D §5.2.1.1)."""

_HEAD_BYTES: Final = len(VERSION) + KEY_ID_BYTES


class SealBroken(Exception):
    """A sealed value does not open: it was changed, lies in another row, or its server key is not known here."""


@dataclass(frozen=True, slots=True)
class _Key:
    id: bytes
    cipher: AESGCM

    @classmethod
    def of(cls, server_key: bytes) -> "_Key":
        return cls(
            id=_derived(server_key, "tintype/seal/id", KEY_ID_BYTES),
            cipher=AESGCM(_derived(server_key, "tintype/seal/key", KEY_BYTES)),
        )


class Sealer:
    """Seals under the server's key; opens what was sealed under it or an earlier one."""

    def __init__(self, server_key: bytes, *earlier: bytes) -> None:
        self._current = _Key.of(server_key)
        self._origin = _derived(server_key, "tintype/seal/derive", KEY_BYTES)
        known = [_Key.of(key) for key in earlier]
        self._keys = {key.id: key for key in [*known, self._current]}

    def seal(self, secret: bytes, table: str, *row: int | str) -> bytes:
        """Return the secret as it may lie in this row of the table, whose primary key is `row`."""
        head, nonce = self.mark, secrets.token_bytes(NONCE_BYTES)
        return head + nonce + self._current.cipher.encrypt(nonce, secret, _place(head, table, row))

    def open(self, sealed: bytes, table: str, *row: int | str) -> bytes:
        """Return the secret that was sealed for this row; `SealBroken` when it does not open."""
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES : _HEAD_BYTES + NONCE_BYTES]
        key = self._keys.get(head[len(VERSION) :])
        if head[: len(VERSION)] != VERSION or key is None:
            raise SealBroken(f"a secret of {table} is sealed under a server key that is not known here")
        try:
            return key.cipher.decrypt(nonce, sealed[_HEAD_BYTES + NONCE_BYTES :], _place(head, table, row))
        except (InvalidTag, ValueError) as error:  # ValueError: it is too short to hold a nonce
            raise SealBroken(f"a secret of {table} was changed, or belongs to another row") from error

    def derive(self, length: int, given: str, table: str, *row: int | str) -> bytes:
        """Return a secret of `length` bytes for this row, the same each time for what somebody gave.

        What was given is stored nowhere, so the database and the server's key together do not tell the secret.
        """
        return _derived(self._origin, json.dumps([table, *row, given]), length)

    @property
    def mark(self) -> bytes:
        """What values begin with that are sealed under the key of now."""
        return VERSION + self._current.id

    def is_current(self, sealed: bytes) -> bool:
        """Return whether it is sealed under the key of now. What is not is sealed anew (`reseal_secrets.py`)."""
        return sealed[:_HEAD_BYTES] == self.mark


def _place(head: bytes, table: str, row: Sequence[int | str]) -> bytes:
    """Return the associated data: JSON, in which no two places are written alike."""
    return head + json.dumps([table, *row]).encode()


def _derived(server_key: bytes, purpose: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(server_key)
