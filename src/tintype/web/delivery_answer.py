"""What an image is served with: the headers of a representation, and which answer a request for it gets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from tintype.domain.format import Format
from tintype.domain.ids import TENANT_PREFIX, public_id
from tintype.domain.image import Image
from tintype.domain.view import ViewedImage
from tintype.web.conditional import ByteRange, Unsatisfiable, is_not_modified, parse_range, range_applies
from tintype.web.errors import RawHeaders

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""One URL with a version and an extension names the same bytes for ever; a year is as long as caches keep."""

NEGOTIATED: Final = "public, max-age=2592000"
CURRENT: Final = "public, max-age=300"
"""Without a version the URL means whatever is current: five minutes."""

REVALIDATED: Final = "public, no-cache"
"""Likewise for what has an end: five minutes may be too long."""

PRIVATE: Final = "private, no-cache"
"""Whoever may see it now is asked for again each time; the ETag makes that cheap."""

FOR_SECONDS: Final = "public, max-age=5"
"""Errors, 404s and redirects pass: a cache must not hold them when the picture is there (or gone)."""

SANDBOX: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Whatever a browser takes the bytes for, they run nothing."""

_COMMON: Final[RawHeaders] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", SANDBOX.encode()),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
    (b"accept-ranges", b"bytes"),
]


_NOT_IN_304: Final = frozenset(
    {
        *(b"content-type", b"content-length", b"content-disposition", b"accept-ranges"),
        *(b"x-content-type-options", b"content-security-policy"),
    }
)
"""What is said about bytes to whoever gets them; the cache that asks has had it with them (RFC 9110 §15.4.5)."""
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since", b"range", b"if-range"})


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the blob store: `size` in bytes, `path` when the kernel can read it, `name` for who saves it."""

    key: str
    path: Path | None
    format: Format
    size: int
    etag: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: a status, the headers, and which bytes of the representation, if any."""

    status: int
    headers: RawHeaders
    content: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes that can be sent, every header that a 200 has, and the two answers that almost every request gets."""

    file: StoredFile
    modified: datetime
    headers: RawHeaders
    viewed: ViewedImage | None = None
    """Whose view it is when this is sent; None for what is too small to be one."""
    ends_at: float | None = None
    """When nobody may have it any more, in seconds since 1970: the end of the image, or of the URL that was signed."""
    tag: bytes = field(init=False)
    whole: Answer = field(init=False)
    not_modified: Answer = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", self.file.etag.encode())
        whole = Answer(200, self.headers, ByteRange(0, self.file.size - 1))
        not_modified = Answer(304, [header for header in self.headers if header[0] not in _NOT_IN_304])
        object.__setattr__(self, "whole", whole)
        object.__setattr__(self, "not_modified", not_modified)


def represent(
    image: Image, file: StoredFile, *, negotiated: bool, versioned: bool, by_link: bool, large: bool = False
) -> Representation:
    """Return the representation that `file` is of the image, for a URL that was negotiated or had a version.

    What is not shown `by_link` is for nobody but who asked. Who is sent a `large` one views the image.
    """
    headers: RawHeaders = [
        (b"content-type", file.format.media_type.encode()),
        (b"content-length", str(file.size).encode()),
        (b"etag", file.etag.encode()),
        (b"last-modified", format_datetime(image.modified.astimezone(UTC), usegmt=True).encode()),
        *_freshness(image, negotiated=negotiated, versioned=versioned, by_link=by_link),
        (b"cache-tag", cache_tag(image).encode()),
        (b"content-disposition", f'inline; filename="{image.ref}-{file.name}.{file.format.extension}"'.encode()),
        *_COMMON,
    ]
    if negotiated:
        headers.append((b"vary", b"Accept"))
    viewed = ViewedImage(image.tenant, image.id) if large else None
    ends_at = image.expires_at.timestamp() if image.expires_at else None
    return Representation(file, image.modified, headers, viewed, ends_at)


def cache_tag(image: Image) -> str:
    """Return the tags that a cache purges by: the tenant and the image."""
    return f"{public_id(TENANT_PREFIX, image.tenant)} {image.ref}"


def _freshness(image: Image, *, negotiated: bool, versioned: bool, by_link: bool) -> RawHeaders:
    """Return how long caches may keep the answer: never past the image's own time.

    The headers are made once and sent for as long as they hold, so an end is named as a time (RFC 9111 §5.3), not as
    seconds from an answer that may come much later.
    """
    if not by_link:
        return [(b"cache-control", PRIVATE.encode())]
    if image.expires_at is not None:
        return _until(image.expires_at) if versioned else [(b"cache-control", REVALIDATED.encode())]
    if not versioned:
        return [(b"cache-control", CURRENT.encode())]
    return [(b"cache-control", (NEGOTIATED if negotiated else IMMUTABLE).encode())]


def _until(time: datetime) -> RawHeaders:
    return [(b"cache-control", b"public"), (b"expires", format_datetime(time.astimezone(UTC), usegmt=True).encode())]


def answer(representation: Representation, request: dict[bytes, bytes]) -> Answer:
    """Return 200, 206, 304 or 416, as the request's headers want it."""
    if _CONDITIONS.isdisjoint(request):
        return representation.whole
    if request.get(b"if-none-match") == representation.tag:  # what every browser sends
        return representation.not_modified
    if is_not_modified(
        if_none_match=_text(request, b"if-none-match"),
        if_modified_since=_text(request, b"if-modified-since"),
        etag=representation.file.etag,
        modified=representation.modified,
    ):
        return representation.not_modified
    wanted = _text(request, b"range")
    if_range = _text(request, b"if-range")
    if wanted is None or not range_applies(if_range, etag=representation.file.etag, modified=representation.modified):
        return representation.whole
    return _ranged(representation, wanted)


def _ranged(representation: Representation, wanted: str) -> Answer:
    try:
        part = parse_range(wanted, representation.file.size)
    except Unsatisfiable:
        headers = [
            (b"content-length", b"0"),
            (b"content-range", f"bytes */{representation.file.size}".encode()),
            (b"cache-control", b"no-store"),
        ]
        return Answer(416, headers)
    if part is None:
        return representation.whole
    headers = [(name, value) for name, value in representation.headers if name != b"content-length"]
    headers.append((b"content-length", str(part.length).encode()))
    headers.append((b"content-range", f"bytes {part.start}-{part.end}/{representation.file.size}".encode()))
    return Answer(206, headers, part)


def _text(request: dict[bytes, bytes], name: bytes) -> str | None:
    value = request.get(name)
    return value.decode("latin-1") if value is not None else None
