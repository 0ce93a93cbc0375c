"""Where blobs lie, read from `TINTYPE_BLOBS_URL`: a directory of this machine, S3, or a bucket of Google or Azure.

The URL of S3 says all but the credentials, which come from the usual variables of AWS:

    s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-central-1&public_endpoint=https://files.example.org
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tintype.settings_reader import Reader
from tintype.settings_values import duration, one_of

LEAST_SIGNED: Final = timedelta(seconds=10)
"""Clocks differ, and a redirect has to be followed."""
MOST_SIGNED: Final = timedelta(days=3)
"""An address holds for up to twice as long, and S3 signs for a week at the most."""

DEFAULT_REGION: Final = "us-east-1"
"""What S3 servers other than Amazon's usually take for theirs."""

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,254}")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*)?")
_S3_OPTIONS: Final = frozenset({"endpoint", "public_endpoint", "region", "addressing"})

_EXAMPLES: Final = (
    "is not where images can lie: file:///srv/images, s3://bucket/prefix?endpoint=https://…&region=…, gs://bucket or "
    "az://container"
)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """A bucket, and what stands before every key: nothing, or a prefix that ends with a slash."""

    bucket: str
    prefix: str
    endpoint: str
    """What the server is reached by, without a path: `https://s3.eu-central-1.amazonaws.com`."""
    public_endpoint: str
    """What clients reach it by."""
    region: str
    in_path: bool
    """Whether the bucket stands in the path of a URL and not in its host."""

    def url(self, key: str = "", *, public: bool = False) -> str:
        """Return the address of a key, or of the bucket when there is none."""
        endpoint = urlsplit(self.public_endpoint if public else self.endpoint)
        host = endpoint.netloc if self.in_path else f"{self.bucket}.{endpoint.netloc}"
        path = f"/{self.bucket}/" if self.in_path else "/"
        return f"{endpoint.scheme}://{host}{path}{self.prefix if key else ''}{key}"


@dataclass(frozen=True, slots=True)
class OtherBucket:
    """A bucket of Google (`gs`) or a container of Azure (`az`), reached by the credentials that obstore finds."""

    scheme: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Who sends what lies on S3 (`redirect`, `accel` or `stream`), and for how long addresses of it hold."""

    remote: str
    signed_for: timedelta


BlobPlace: TypeAlias = Directory | S3Bucket | OtherBucket


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """An access key of S3."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class NoCredentials(Exception):
    """The environment has none; the message says what to set."""


def place_of(url: str) -> BlobPlace:
    """Return what a URL names. Raises `ValueError`, whose text goes on after the URL."""
    try:
        parts = urlsplit(url)
        port_is_sound = parts.port != 0
    except ValueError:
        raise ValueError(_EXAMPLES) from None
    if parts.scheme == "file":
        return _directory(parts)
    if parts.fragment or not port_is_sound:
        raise ValueError(_EXAMPLES)
    if parts.scheme not in {"s3", "gs", "az"} or not _BUCKET.fullmatch(parts.netloc):
        raise ValueError(_EXAMPLES)
    prefix = unquote(parts.path).strip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("has a prefix that is none: words of letters, digits, dots and dashes between slashes")
    prefix = f"{prefix}/" if prefix else ""
    if parts.scheme == "s3":
        return _s3(parts, prefix)
    if parts.query:
        raise ValueError("has options, which only s3: takes")
    return OtherBucket(parts.scheme, parts.netloc, prefix)


def blobs_url(value: object) -> str | None:
    """Return the URL of where blobs lie, or None when it is empty."""
    if not value:
        return None
    place_of(str(value))
    return str(value)


def read_delivery(read: Reader) -> DeliverySettings:
    """Return the settings of delivery."""
    return DeliverySettings(
        remote=read.read("delivery.remote", one_of("redirect", "accel", "stream"), "redirect"),
        signed_for=read.read("delivery.signed_for", _signed_for, LEAST_SIGNED),
    )


def _signed_for(value: object) -> timedelta:
    span = duration(value)
    if span is None or not LEAST_SIGNED <= span <= MOST_SIGNED:
        raise ValueError(f"is not a time from {LEAST_SIGNED.seconds} s to {MOST_SIGNED.days} days")
    return span


def s3_credentials(environment: Mapping[str, str] = os.environ) -> S3Credentials:
    """Return what the environment says. Raises `NoCredentials`."""
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise NoCredentials(
            "Images are to lie on S3, and there are no credentials for it: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary ones)."
        )
    return S3Credentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN") or None)


def _directory(parts: SplitResult) -> Directory:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ValueError("is not the URL of a directory of this machine, such as file:///srv/images")
    return Directory(Path(unquote(parts.path)))


def _s3(parts: SplitResult, prefix: str) -> S3Bucket:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - _S3_OPTIONS):
        raise ValueError(f"has the option {unknown[0]}; s3: takes {', '.join(sorted(_S3_OPTIONS))}")
    region = options.get("region") or DEFAULT_REGION
    endpoint = _endpoint(options.get("endpoint") or f"https://s3.{region}.amazonaws.com")
    addressing = options.get("addressing") or ("path" if options.get("endpoint") or "." in parts.netloc else "host")
    if addressing not in {"path", "host"}:
        raise ValueError("has an addressing that is neither path nor host")
    public = _endpoint(options.get("public_endpoint") or endpoint)
    return S3Bucket(parts.netloc, prefix, endpoint, public, region, in_path=addressing == "path")


_PORTS: Final = {"http": 80, "https": 443}


def _endpoint(url: str) -> str:
    """Return scheme and host, as clients name the host: without the port that goes without saying."""
    wrong = ValueError("has an endpoint that is not the URL of a server such as https://s3.example.org")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.username:
        raise wrong
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" if port in {None, _PORTS[parts.scheme]} else f"{parts.scheme}://{host}:{port}"
