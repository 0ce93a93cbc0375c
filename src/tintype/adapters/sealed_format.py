"""How a blob lies on the disk when it is encrypted: a header, then its bytes in chunks that are sealed one by one.

```
offset   bytes                what
0        16                   magic
16       1, 1, 2              version (1), log2 of the chunk's size (16), zero
20       8                    id of the master key
28       32                   salt, drawn for this file
60       8                    size of the content in bytes
68       65,536 + 16 each     chunks: AES-256-GCM, the tag behind the ciphertext; the last one is shorter
```

*Keys.* Master key → tenant's key → file's key, each by HKDF-SHA-256 (RFC 5869); the last with the file's salt. So no
two files share a key: that two salts of 2⁶⁴ files agree has a probability of 2⁻¹²⁹.

*Nonces.* The nonce is the chunk's number and a byte that says whether it is the last one (the STREAM construction of
Hoang, Reyhanitabar, Rogaway and Vizár, 2015). It never comes twice under one key, because a key belongs to one file, a
file is written once from its first chunk to its last, and whatever writes it again (after a crash, for a copy, when
keys are rotated) draws another salt.

*What is authenticated.* Every chunk is sealed with the header and the storage key as associated data, and its number in
the nonce. A chunk that was changed, moved, left out or taken from another file, or a file under another's name, does
not open; nor does a header of another size, so that a file cut off between two chunks is found before a byte of it is
given.
"""

import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tintype.ports.blobs import BlobStoreFailed

MAGIC: Final = bytes.fromhex("f4e1b3c8a59d96ee8bd2c7f3a8b5e0dc")
"""Drawn at random with every byte's highest bit set, so that texts and images begin far from it."""

CHUNK_BYTES: Final = 65_536
"""Of the content. A range costs at most two chunks more than it has (about 30 µs each), the tags add 0.02 %, and a
thumbnail is one chunk; smaller ones would cost more calls, larger ones more memory and time for a short range."""

TAG_BYTES: Final = 16
KEY_ID_BYTES: Final = 8
SALT_BYTES: Final = 32

_LAYOUT: Final = struct.Struct(f">16sBBH{KEY_ID_BYTES}s{SALT_BYTES}sQ")
HEADER_BYTES: Final = _LAYOUT.size
_VERSION: Final = 1
_CHUNK_LOG2: Final = 16

_NEAR_BITS: Final = 16
"""Of the magic's 128. A file that begins with almost the magic is an encrypted one whose first bytes rotted, and must
not be taken for one in clear; of what begins anyhow else, half of the bits differ."""


class SealBroken(BlobStoreFailed):
    """The file was changed since it was written, by a disk or by somebody; nothing of the chunk was given out."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself; `size` is the content's, in bytes."""

    key_id: bytes
    salt: bytes
    size: int

    def pack(self) -> bytes:
        """Return the header as it stands in the file."""
        return _LAYOUT.pack(MAGIC, _VERSION, _CHUNK_LOG2, 0, self.key_id, self.salt, self.size)

    @property
    def chunks(self) -> int:
        """How many there are: no content is one chunk, too, so that its header is authenticated."""
        return max(1, -(-self.size // CHUNK_BYTES))

    @property
    def file_size(self) -> int:
        """The bytes that the whole file has."""
        return HEADER_BYTES + self.size + TAG_BYTES * self.chunks


def parse_header(head: bytes, file_size: int) -> Header | None:
    """Return the header that a file of so many bytes begins with; None when it is a file in clear.

    Raises `SealBroken` for a header that is damaged, and for a file that is longer or shorter than it says.
    """
    if not is_sealed(head):
        return None
    if len(head) < HEADER_BYTES:
        raise SealBroken("an encrypted blob is cut off in its header")
    magic, version, chunk_log2, zero, key_id, salt, size = _LAYOUT.unpack(head[:HEADER_BYTES])
    if (magic, version, chunk_log2, zero) != (MAGIC, _VERSION, _CHUNK_LOG2, 0):
        raise SealBroken("the header of an encrypted blob is damaged, or of a later version")
    header = Header(key_id, salt, size)
    if header.file_size != file_size:
        raise SealBroken(f"an encrypted blob has {file_size} bytes instead of {header.file_size}")
    return header


def is_sealed(head: bytes) -> bool:
    """Return whether a file that begins so is an encrypted one, if need be with a few bits that rotted."""
    start = head[: len(MAGIC)]
    if len(start) < len(MAGIC):
        return bool(start) and MAGIC.startswith(start)
    return sum((ours ^ theirs).bit_count() for ours, theirs in zip(start, MAGIC, strict=True)) <= _NEAR_BITS


class ChunkCipher:
    """Seals and opens the chunks of one file."""

    def __init__(self, key: bytes, header: Header, storage_key: str) -> None:
        self._cipher = AESGCM(key)
        self._last = header.chunks - 1
        self._associated = header.pack() + storage_key.encode()

    def seal(self, number: int, content: bytes) -> bytes:
        """Return the chunk as it lies in the file."""
        return self._cipher.encrypt(self._nonce(number), content, self._associated)

    def open(self, number: int, sealed: bytes | memoryview) -> bytes:
        """Return the content of the chunk. Raises `SealBroken`."""
        try:
            return self._cipher.decrypt(self._nonce(number), sealed, self._associated)
        except InvalidTag as error:
            raise SealBroken(f"chunk {number} of an encrypted blob was changed since it was written") from error

    def _nonce(self, number: int) -> bytes:
        return number.to_bytes(11, "big") + bytes([number == self._last])
