"""Addresses of the API that take the bytes of an upload from whoever has them, without any other credential.

    {path}?exp={unix seconds}&sig={mac}

The MAC covers what S3's presigned addresses cover: the method, the path, when it ends, and the length, media type and
SHA-256 that were announced, so far as they were. A store that signs for itself has addresses of its own; these are for
one that has none. They are made and checked by the server alone, so that its own key serves, and nothing is published.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

MAC_BYTES: Final = 16
"""128 of the 256 bits: nobody guesses them (RFC 2104 §5)."""

_EXPIRES: Final = re.compile(r"[1-9][0-9]{0,11}")
_CONTEXT: Final = "tintype/upload-link"


@dataclass(frozen=True, slots=True)
class Bound:
    """What an address is for. `length` is in bytes; None stands for what was not announced."""

    path: str
    length: int
    content_type: str | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class UploadSignature:
    """What a request shows: when its address ends, in seconds since 1970, and the MAC as it was sent."""

    expires: int
    mac: str = field(repr=False)

    @classmethod
    def parse(cls, exp: str | None, sig: str | None) -> "UploadSignature | None":
        """Return what the two parameters of the query say, None when they are no signature of ours."""
        if exp is None or sig is None or not _EXPIRES.fullmatch(exp):
            return None
        return cls(int(exp), sig)

    def opens(self, server_key: bytes, bound: Bound) -> bool:
        """Return whether the server signed this; whether it is over is the caller's to ask. Tells nothing by time."""
        return hmac.compare_digest(_mac(server_key, bound, self.expires).encode(), self.mac.encode())


def upload_link(server_key: bytes, bound: Bound, expires: int) -> str:
    """Return the path with the query that opens it until `expires`, in seconds since 1970."""
    return f"{bound.path}?exp={expires}&sig={_mac(server_key, bound, expires)}"


def _mac(server_key: bytes, bound: Bound, expires: int) -> str:
    sha256 = bound.sha256.hex() if bound.sha256 else ""
    said = (_CONTEXT, "PUT", bound.path, str(expires), str(bound.length), bound.content_type or "", sha256)
    mac = hmac.digest(server_key, "\n".join(said).encode(), "sha256")[:MAC_BYTES]
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
