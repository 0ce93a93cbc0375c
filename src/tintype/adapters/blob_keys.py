"""The keys that blobs are encrypted with: master keys of the operator, and what derives from them.

A master key is 256 random bits. What encrypts is derived from it by HKDF-SHA-256 (RFC 5869): a key for each tenant, and
from that one for each file (`sealed_format.py`). A key's id is derived, too: it names the key and tells nothing of it.
"""

import functools
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tintype.adapters.sealed_format import KEY_ID_BYTES, ChunkCipher, Header
from tintype.ports.blobs import BlobStoreFailed

KEY_BYTES: Final = 32
"""AES-256, and as much entropy from the operator."""

TENANTS_KEPT: Final = 1000
"""Keys of tenants in memory; deriving one again costs 20 µs."""


class BlobKeyUnknown(BlobStoreFailed):
    """A blob is encrypted with a key that is not configured."""


class KeyRing:
    """The key that new blobs are encrypted with (None: they are written in clear), and older ones that open blobs."""

    def __init__(self, current: bytes | None, old: Sequence[bytes] = ()) -> None:
        keys = [*([current] if current else []), *old]
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._masters = {key_id(key): key for key in keys}
        self.current = key_id(current) if current else None
        self._tenant_key = functools.lru_cache(TENANTS_KEPT)(self._derive_tenant_key)

    @property
    def ids(self) -> frozenset[bytes]:
        """The ids of every key there is."""
        return frozenset(self._masters)

    def cipher(self, header: Header, storage_key: str) -> ChunkCipher:
        """Return what seals and opens the file of that header. Raises `BlobKeyUnknown`."""
        if header.key_id not in self._masters:
            raise BlobKeyUnknown(f"a blob is encrypted with the key {header.key_id.hex()}, which is not configured")
        tenant_key = self._tenant_key(header.key_id, storage_key.partition("/")[0])
        return ChunkCipher(_derived(tenant_key, header.salt, b"tintype blob file 1"), header, storage_key)

    def _derive_tenant_key(self, master: bytes, tenant: str) -> bytes:
        """Return the key of a tenant, which every key of its blobs begins with; the journal of purges counts as one."""
        return _derived(self._masters[master], None, b"tintype blob tenant 1\0" + tenant.encode())


def key_id(key: bytes) -> bytes:
    """Return the id of a master key."""
    return _derived(key, None, b"tintype blob key id 1")[:KEY_ID_BYTES]


def _derived(key: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose).derive(key)
