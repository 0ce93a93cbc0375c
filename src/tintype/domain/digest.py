"""Checksums that a sender gives with what it sends, read from their fields; no bytes are hashed here but by name.

`Content-Digest` and `Repr-Digest` are dictionaries of byte sequences (RFC 9530 §2 and §3, RFC 9651 §3.2): the key names
the algorithm. Algorithms that we do not check are ignored, as the RFC has it: what else it lists is broken or was never
meant against tampering. What is no dictionary at all is refused: the sender meant to be checked, and would not be.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tintype.domain.errors import Code, Problem


class Algorithm(StrEnum):
    """What can be checked. MD5 only because `Content-MD5` has no other (RFC 1864): it finds accidents, not attacks."""

    SHA_256 = "sha-256"
    SHA_512 = "sha-512"
    MD5 = "md5"


IN_DIGEST_FIELDS: Final = frozenset({Algorithm.SHA_256, Algorithm.SHA_512})
"""The algorithms that RFC 9530 §5 calls active."""

LENGTHS: Final = {algorithm: hashlib.new(algorithm.replace("-", "")).digest_size for algorithm in Algorithm}
"""Bytes of a digest."""

_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_BYTES: Final = r":[A-Za-z0-9+/=]*:"
_ITEM: Final = (
    rf"(?:{_BYTES}"
    r'|"(?:[ !#-\[\]-~]|\\["\\])*"'  # a string
    r"|-?\d{1,12}\.\d{1,3}|-?\d{1,15}|@-?\d{1,15}|\?[01]"  # a decimal, an integer, a date, a boolean
    r"|[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*)"  # a token
)
_MEMBER: Final = re.compile(rf"({_KEY})(?:=({_ITEM}))?(?:;[ ]*{_KEY}(?:={_ITEM})?)*")
"""A member of a dictionary without inner lists, which no digest is (RFC 9651 §4.2.2)."""

_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_HEX_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")


class BadDigest(ValueError):
    """The text is no digest; the message says what it should be."""


def parse_digest_field(text: str) -> dict[Algorithm, bytes]:
    """Return what a `Content-Digest` or `Repr-Digest` has of the algorithms that are checked; `BadDigest`.

    Of a key that is there twice, the last counts (RFC 9651 §4.2.2).
    """
    found: dict[Algorithm, bytes] = {}
    text, at = text.strip(" "), 0
    while at < len(text):
        member = _MEMBER.match(text, at)
        if member is None:
            raise BadDigest("is not written like sha-256=:…: with base64 between the colons (RFC 9530)")
        if member[1] in IN_DIGEST_FIELDS:
            found[Algorithm(member[1])] = _digest(Algorithm(member[1]), member[2] or "")
        at = member.end()
        if at < len(text):
            comma = _COMMA.match(text, at)
            if comma is None or comma.end() == len(text):
                raise BadDigest("has digests that are not separated by commas (RFC 9530)")
            at = comma.end()
    return found


def _digest(algorithm: Algorithm, value: str) -> bytes:
    if not re.fullmatch(_BYTES, value):
        raise BadDigest(f"has a {algorithm} that is not base64 between colons (RFC 9530)")
    return _decoded(algorithm, value[1:-1])


def parse_content_md5(text: str) -> bytes:
    """Return the 16 bytes of a `Content-MD5` (RFC 1864 §2); `BadDigest`."""
    return _decoded(Algorithm.MD5, text.strip())


def _decoded(algorithm: Algorithm, text: str) -> bytes:
    """Return the digest in base64; its padding may be missing (RFC 9651 §4.2.7)."""
    try:
        digest = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except ValueError as error:
        raise BadDigest(f"has a {algorithm} that is not base64") from error
    if len(digest) != LENGTHS[algorithm]:
        raise BadDigest(f"has a {algorithm} of {len(digest)} bytes; it has {LENGTHS[algorithm]}")
    return digest


def parse_hex_sha256(text: str) -> bytes:
    """Return the 32 bytes of a SHA-256 in hexadecimal, as `sha256sum` prints it; `BadDigest`."""
    if not _HEX_SHA256.fullmatch(text):
        raise BadDigest("is not a SHA-256 in 64 hexadecimal digits")
    return bytes.fromhex(text)


def format_digest_field(digests: Mapping[Algorithm, bytes]) -> str:
    """Return the value of a digest field."""
    return ", ".join(f"{algorithm}=:{base64.b64encode(digest).decode()}:" for algorithm, digest in digests.items())


def checksum_mismatch(said_in: str) -> Problem:
    """Return the refusal of bytes that are not those of which `said_in` gave the checksum."""
    return Problem(
        Code.UPLOAD_CHECKSUM_MISMATCH,
        f"The bytes that came are not those that {said_in} is the checksum of. Nothing was kept; send them again.",
    )


def refuse_other_bytes(expected_sha256: bytes | None, sha256: bytes) -> None:
    """Raise `Problem` when the sender expected another SHA-256 of the file than it has."""
    if expected_sha256 is not None and expected_sha256 != sha256:
        raise checksum_mismatch("sha256")
