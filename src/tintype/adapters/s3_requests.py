"""The few requests to S3 that no object store library has: uploads in parts that others send, and what a bucket keeps.

Each is a signed address that we ask ourselves, by a connection of its own: they are rare, three for an upload in parts.
A request that got no answer, or a 5xx, is sent again a bounded number of times; all of them may be repeated.
"""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final
from xml.etree import ElementTree as ET

import httpx

from tintype.adapters.s3_signing import Signer
from tintype.ports.blobs import BlobStoreFailed
from tintype.settings_blobs import S3Bucket, S3Credentials

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 8.0
"""How long the store may be silent. To complete thousands of parts takes it longer, but it begins to answer at once."""

ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 0.2
"""Before the second attempt, twice as long before the third."""

SIGNED_SECONDS: Final = 60
"""How long our own requests may take to be sent again; a skewed clock eats into it."""

MAX_ANSWER_BYTES: Final = 4 * 2**20
"""A list of a thousand has some 300 kB."""


class Refused(Exception):
    """The store said no: `code` is S3's name for why, such as NoSuchUpload."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{code} (HTTP {status})")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: an XML document without its namespace."""

    root: ET.Element

    def text(self, name: str) -> str:
        """Return the text of the first element of that name, nothing when there is none."""
        return self.root.findtext(f".//{name}") or ""

    def all(self, name: str) -> Iterator["Found"]:
        """Give every element of that name."""
        return map(Found, self.root.iter(name))


class S3Requests:
    """Asks the S3 API of one bucket."""

    def __init__(self, bucket: S3Bucket, credentials: S3Credentials) -> None:
        self.bucket = bucket
        self.signer = Signer(
            credentials.access_key, credentials.secret_key, credentials.session_token, region=bucket.region
        )

    async def ask(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Found:
        """Return what the store answers. Raises `Refused` for a 4xx, `BlobStoreFailed` when it does not do it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, key, query, headers or {}, body)
            except (httpx.TransportError, BlobStoreFailed) as error:
                if attempt == ATTEMPTS:
                    raise BlobStoreFailed(f"S3 did not answer: {_said(error)}") from None
            await asyncio.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError("unreachable")

    async def _once(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Found:
        url = self.signer.sign(
            method,
            self.bucket.url(key),
            seconds=SIGNED_SECONDS,
            now=datetime.now(UTC),
            headers=headers,
            query=query,
        )
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(timeout=timeout, verify=self._tls) as client:
            answer = await client.request(method, url, headers=dict(headers), content=body)
        found = _parse(answer.content)
        code = found.text("Code") if found.root.tag == "Error" else ""  # a completion may fail with a 200
        if answer.status_code >= 500 or answer.status_code == 429 or (answer.is_success and code):
            raise BlobStoreFailed(f"HTTP {answer.status_code} {code}".strip())
        if not answer.is_success:
            raise Refused(answer.status_code, code or "no reason")
        return found

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def denied(error: Refused) -> BlobStoreFailed:
    """Return the failure that a refusal is which is not about what was asked: credentials, rights, a missing bucket."""
    return BlobStoreFailed(f"S3 refused: {error}")


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, BlobStoreFailed) else type(error).__name__  # never the address


def _parse(content: bytes) -> Found:
    if not content.strip():
        return Found(ET.Element("Nothing"))
    if len(content) > MAX_ANSWER_BYTES:
        raise BlobStoreFailed("an answer that is too long")
    try:
        root = ET.fromstring(content)  # noqa: S314 -- of the operator's own store, and bounded
    except ET.ParseError:
        return Found(ET.Element("Nothing"))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return Found(root)
