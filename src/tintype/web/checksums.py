"""What a request's header says its body's checksum is, held against the body on its way in.

`Content-Digest`, `Repr-Digest` and `Content-MD5` are about the body as it was sent: of a raw upload that is the file,
of a form the whole form. The digest of a form's file is its field `sha256`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tintype.domain.digest import (
    Algorithm,
    BadDigest,
    checksum_mismatch,
    parse_content_md5,
    parse_digest_field,
)
from tintype.domain.errors import Code, Problem

_DIGEST_FIELDS: Final = {b"content-digest": "Content-Digest", b"repr-digest": "Repr-Digest"}
_CONTENT_MD5: Final = b"content-md5"


@dataclass(frozen=True, slots=True)
class _Expectation:
    said_in: str
    algorithm: Algorithm
    digest: bytes


class BodyChecksums:
    """What is expected of one body. Without expectations it costs nothing."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Read the request's raw header; `Problem` request.unreadable for a digest that is none."""
        self._expected = list(_expectations(headers))
        self._hashes = {
            expected.algorithm: hashlib.new(expected.algorithm.replace("-", ""), usedforsecurity=False)
            for expected in self._expected
        }

    def update(self, chunk: bytes) -> None:
        """Take note of the body's next bytes."""
        for known in self._hashes.values():
            known.update(chunk)

    def verify(self) -> None:
        """Raise `Problem` upload.checksum_mismatch unless the body, now complete, is what it was said to be."""
        for expected in self._expected:
            if self._hashes[expected.algorithm].digest() != expected.digest:
                raise checksum_mismatch(expected.said_in)


def _expectations(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[_Expectation]:
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in _DIGEST_FIELDS or name == _CONTENT_MD5:
            values.setdefault(name, []).append(value.decode("latin-1"))
    for name, lines in values.items():
        said_in = _DIGEST_FIELDS.get(name, "Content-MD5")
        text = ", ".join(lines)  # several lines are one list (RFC 9110 §5.3)
        try:
            given = parse_digest_field(text) if name in _DIGEST_FIELDS else {Algorithm.MD5: parse_content_md5(text)}
        except BadDigest as error:
            raise Problem(Code.REQUEST_UNREADABLE, f"{said_in} {error}.") from None
        for algorithm, digest in given.items():
            yield _Expectation(said_in, algorithm, digest)
