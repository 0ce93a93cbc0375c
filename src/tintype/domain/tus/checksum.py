"""`Upload-Checksum`: the name of an algorithm and the digest of the request's body in base64."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from tintype.domain.errors import Code, Kind, Problem

ALGORITHMS: Final = ("sha256", "sha1", "md5")
"""The protocol demands SHA-1; like MD5 it finds what a line has broken, and is no defence against anybody."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the body of one request is said to have."""

    algorithm: str
    digest: bytes


class Summing:
    """Holds a body against its checksum while it comes."""

    def __init__(self, expected: Checksum) -> None:
        self._expected = expected
        self._hash = hashlib.new(expected.algorithm, usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        """Take note of the next bytes."""
        self._hash.update(chunk)

    def verify(self) -> None:
        """Raise `Problem` upload.checksum_mismatch (460) unless the body, now complete, has the digest."""
        if not hmac.compare_digest(self._hash.digest(), self._expected.digest):
            raise Problem(
                Code.UPLOAD_CHECKSUM_MISMATCH,
                "The bytes that came are not those of Upload-Checksum. Nothing of this request counts; send it again.",
                kind=Kind.CHECKSUM_MISMATCH,
            )


def parse_checksum(text: str | None) -> Checksum | None:
    """Return the checksum, None without a header; `Problem` for an algorithm that is not announced or a bad digest."""
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Problem(Code.REQUEST_UNREADABLE, f"Upload-Checksum can be by {', '.join(ALGORITHMS)}.")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Problem(Code.REQUEST_UNREADABLE, f"Upload-Checksum has no {algorithm} in base64 after the name.")
    return Checksum(algorithm, digest)
