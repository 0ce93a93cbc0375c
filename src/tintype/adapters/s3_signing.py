"""Requests to S3 that are signed in their own address: Signature Version 4, with the signature in the query.

Whoever has such an address may send that one request until it expires. The signature covers the method, the path, the
query, and every header that is given here, each of which must then come exactly so: a length, a type, a SHA-256.

Source: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", Amazon S3 API Reference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: an access key, its secret, and the token of a temporary one."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = "us-east-1"

    def sign(
        self,
        method: str,
        url: str,
        *,
        seconds: int,
        now: datetime,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Return `url`, whose path is percent-encoded, with `query` and the signature."""
        parts = urlsplit(url)
        at = now.astimezone(UTC)
        signed = {"host": parts.netloc, **{name.lower(): value.strip() for name, value in (headers or {}).items()}}
        scope = f"{at:%Y%m%d}/{self.region}/s3/aws4_request"
        given = {
            **(query or {}),
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
            **({"X-Amz-Security-Token": self.session_token} if self.session_token else {}),
        }
        path = parts.path or "/"
        encoded = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(given.items()))
        canonical = _canonical(method, path, encoded, signed)
        signature = self._signature(at, scope, canonical)
        return f"{parts.scheme}://{parts.netloc}{path}?{encoded}&X-Amz-Signature={signature}"

    def _signature(self, at: datetime, scope: str, canonical: str) -> str:
        to_sign = f"{ALGORITHM}\n{at:%Y%m%dT%H%M%SZ}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def _canonical(method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    return "\n".join([method, path, query, *lines, "", ";".join(sorted(headers)), "UNSIGNED-PAYLOAD"])


def _encode(value: str) -> str:
    return quote(value, safe=_UNRESERVED)
