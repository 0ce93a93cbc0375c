"""The parsers of what comes by HTTP, under fire: each takes any bytes, answers or refuses by name, and never differs.

A header arrives as bytes of Latin-1 (RFC 9110 §5.5), a path as UTF-8 with whatever does not fit replaced.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Final

from litestar.datastructures import Headers
from multipart import parse_options_header

from mutations import flip, splice
from raw_http import BOUNDARY, form_end, part
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.ids import BadId, ImageRef
from tintype.domain.kind import Limits, UploadKind
from tintype.domain.pace import PaceLimits
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.transform import Recipe
from tintype.web.auth import Caller
from tintype.web.body import BodyLimits, RequestBody
from tintype.web.checksums import BodyChecksums
from tintype.web.client_address import ForwardedHeader, Proxies
from tintype.web.conditional import Unsatisfiable, is_not_modified, parse_range, range_applies
from tintype.web.negotiation import choose_format
from tintype.web.preference import LONGEST_WAIT_SECONDS, parse_preferences, wants_representation
from tintype.web.representations import parse_url
from tintype.web.upload_request import FormUpload

MODIFIED: Final = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ETAG: Final = '"0123456789abcdef0123456789abcdef"'
LONGEST: Final = 20_000
"""Bytes; servers take a head of some hundred thousand, and what is quadratic shows at these."""

SECONDS_AT_LEAST: Final = 0.2
SECONDS_PER_BYTE: Final = 5e-6
"""Of processor time. What is linear takes a fiftieth of it; what is quadratic would hold up everybody else."""

_WORDS: Final = (
    *(
        b"bytes=",
        b"bytes",
        b"=",
        b"-",
        b",",
        b"0-",
        b"-0",
        b"0-0",
        b"99999999999999999999",
        b"\xb2",
        b"\xe2\x91\xa0",
        b"+1",
        b"_",
    ),
    *(b"image/webp", b"image/*", b"*/*", b";q=0", b";q=1", b";q=0.0001", b";q=-1", b";q=nan", b"; ", b"q"),
    *(
        b'"',
        b"W/",
        b"*",
        b"\\",
        b"'",
        b"\0",
        b"\r\n",
        b"\n",
        b"\t",
        b" ",
        b"%00",
        b"%2e%2e/",
        b"..",
        b"//",
        b"\xff",
        b"\xc3\xa9",
    ),
    *(
        b"--",
        b"\r\n\r\n",
        b"Content-Disposition: form-data; name=",
        b'filename="',
        b"filename*=utf-8''",
        b"file",
        b"kind",
    ),
    *(b"img_", b"ttr_", b"ttk_", b"zzzzzzzzzzz", b"?v=", b"&v=", b"v=1", b"&token=", b".jpg", b"original", b"thumb"),
    *(b"Sun, 06 Nov 1994 08:49:37 GMT", b"Thu, 01 Jan 0000 00:00:00 GMT", b"99999", b"+9999", b"-2400"),
)
"""What means something to one of the parsers."""

_RUNS: Final = (b" ", b"\t", b",", b";", b'"', b"=", b"\\", b"a", b"1", b", ", b"; a=", b'"a",')
"""What regular expressions that go back would share out in every possible way."""


def mutate_text(data: bytes, dice: random.Random) -> bytes:
    """Return other bytes: words put in, stretches repeated and lost, bits flipped."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        at, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        how = dice.randrange(6)
        if how == 5:
            data = data[:at] + dice.choice(_RUNS) * dice.choice((50, 5_000)) + data[at:]
            continue
        if how == 0:
            data = data[:at] + dice.choice(_WORDS) + data[at:]
        elif how == 1:
            data = data[:at] + data[at:end] * dice.choice((0, 2, 2, 40)) + data[end:]
        elif how == 2:
            data = data[:at] + dice.choice(_WORDS) + data[end:]
        elif data:
            data = (flip if how == 3 else splice)(data, dice)
    return data[:LONGEST]


class Header:
    """A target that is given a header's value, as text."""

    def __init__(self, name: str, examples: Sequence[str], check: Callable[[str], object]) -> None:
        self.name = name
        self._examples = [example.encode("latin-1") for example in examples]
        self._check = check

    def examples(self) -> list[bytes]:
        """Return values of every sort."""
        return self._examples

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Return another value."""
        return mutate_text(data, dice)

    def check(self, data: bytes) -> str:
        """Read the value, within a moment."""
        began = time.process_time()
        told = str(self._check(data.decode("latin-1")))
        seconds = time.process_time() - began
        assert seconds < SECONDS_AT_LEAST + SECONDS_PER_BYTE * len(data), f"took {seconds:.2f} s"
        return told


# Headers


def _check_range(value: str) -> str:
    try:
        parts = [parse_range(value, size) for size in (0, 1, 1000)]
    except Unsatisfiable:
        parts = [_range_of(value, 1000)]
    for found, size in zip(parts, (0, 1, 1000) if len(parts) == 3 else (1000,), strict=True):
        assert found is None or 0 <= found.start <= found.end < size
    return f"{len(parts)} {parts[-1] is None}"


def _range_of(value: str, size: int) -> Any:  # noqa: ANN401 -- a range or None
    try:
        return parse_range(value, size)
    except Unsatisfiable:
        return None


def _check_accept(value: str) -> str:
    chosen = choose_format(value, (Format.JPEG, Format.WEBP))
    assert chosen in {Format.JPEG, Format.WEBP}
    assert chosen is Format.JPEG or "image/webp" in value.lower(), "WebP for somebody who did not name it"
    return chosen


def _check_condition(value: str) -> str:
    unmodified = is_not_modified(if_none_match=value, if_modified_since=None, etag=ETAG, modified=MODIFIED)
    assert not unmodified or ETAG in value or "*" in value
    since = is_not_modified(if_none_match=None, if_modified_since=value, etag=ETAG, modified=MODIFIED)
    applies = range_applies(value, etag=ETAG, modified=MODIFIED)
    return f"{unmodified} {since} {applies}"


def _check_media_type(value: str) -> str:
    media_type, options = parse_options_header(value)
    assert isinstance(media_type, str)
    return f"{'/' in media_type} {len(options)} {'boundary' in options}"


def _check_token(text: str) -> str:
    token = parse_token(Purpose.READ, text)
    assert token is None or token.reveal() == text, "a token has two spellings"
    try:
        reference = str(ImageRef.parse(text))
    except BadId:
        return f"{token is None}"
    assert reference == text, "an id has two spellings"
    return "an id"


def _check_url(text: str) -> str:
    path, _, query = text.partition("?")
    try:
        wanted = parse_url(path, query.encode("latin-1"))
    except Problem as problem:
        assert problem.code in {Code.NOT_FOUND, Code.REQUEST_UNREADABLE}  # noqa: PT017 -- both ends are right
        return str(problem.code)
    assert path.startswith(f"/i/{wanted.ref}/{wanted.name}"), "a path has two spellings"
    assert wanted.version is None or 0 <= wanted.version < 10**9
    return f"{wanted.extension is None} {wanted.version is None} {wanted.token is None}"


def _check_digest(value: str) -> str:
    try:
        BodyChecksums([(b"content-digest", value.encode("latin-1"))])
    except Problem as problem:
        assert problem.code is Code.REQUEST_UNREADABLE  # noqa: PT017 -- both ends are right
        return "refused"
    return "read"


def _check_preference(value: str) -> str:
    preferences = parse_preferences({"prefer": value})
    assert 0 <= preferences.wait_seconds <= LONGEST_WAIT_SECONDS
    return f"{preferences} {wants_representation({'prefer': value})}"


def _check_forwarded(value: str) -> str:
    headers = Headers({"forwarded": value, "x-forwarded-for": value})
    return " ".join(type(proxies.client_of("192.0.2.1", headers)).__name__ for proxies in _PROXIES)


_PROXIES: Final = [Proxies([ip_network("192.0.2.0/24")], header) for header in ForwardedHeader]
_DIGEST: Final = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
_IMAGE: Final = "img_0123456789A0123456789A"
_READ_TOKEN: Final = "ttr_0123456789A" + "0" * 20 + "1B"

HEADERS: Final = (
    Header("range", ["bytes=0-0", "bytes=5-", "bytes=-3", "bytes=1-2,4-5", "pages=1-2", "Bytes = 7 - 9"], _check_range),
    Header(
        "accept",
        ["*/*", "image/avif,image/webp,*/*;q=0.8", "image/webp;q=0", "image/webp; q=0.5; x=y", "text/html"],
        _check_accept,
    ),
    Header("condition", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*", "Sun, 06 Nov 2044 08:49:37 GMT"], _check_condition),
    Header(
        "media_type",
        ["multipart/form-data; boundary=x", 'multipart/form-data; boundary="a\\"b"; charset*=utf-8\'\'x', "image/jpeg"],
        _check_media_type,
    ),
    Header("digest", [_DIGEST, f"md5=:AAAA:, {_DIGEST};a=1, unixsum=30637", 'sha-512="x"', "a=?1;b"], _check_digest),
    Header("preference", ["wait=5", 'return=representation; x="y", respond-async', "wait = 99"], _check_preference),
    Header("forwarded", ["192.0.2.9, 203.0.113.7", 'for="[2001:db8::1]:80";proto=https, for=_x'], _check_forwarded),
    Header("token", [_READ_TOKEN, _IMAGE, "ttr_", "img_" + "z" * 22], _check_token),
    Header("url", [f"/i/{_IMAGE}/thumb.webp?v=1&token={_READ_TOKEN}", f"/i/{_IMAGE}/original.jpg", "/i/"], _check_url),
)


# Forms

KINDS: Final = {
    "image": UploadKind("image", Limits(20_000, 1, 1, frozenset(Format)), Recipe((), ())),
    "avatar": UploadKind("avatar", Limits(5_000, 1, 1, frozenset(Format)), Recipe((), ())),
}
CALLER: Final = Caller(tenant=1, actor=None, address="192.0.2.1")
_BODY_LIMITS: Final = BodyLimits(PaceLimits(30, 1, 30), deadline_seconds=30, drain_bytes=0, drain_seconds=0)
_REFUSALS: Final = frozenset({Code.REQUEST_UNREADABLE, Code.REQUEST_INVALID, Code.IMAGE_TOO_LARGE})


class Multipart:
    """The body of a form: what it says does not depend on how it is cut into pieces on its way.

    Whether a damaged one is refused may: a lone line feed in a header is noticed only when the header comes in parts.
    """

    name = "multipart"

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def examples(self) -> list[bytes]:
        """Return forms with and without a file."""
        file = part("file", b"\xff\xd8\xff" + bytes(300), filename="a.jpg")
        return [
            part("title", "Über".encode()) + file + part("kind", b"avatar") + form_end(),
            file + part("tags", b"a,b") + part("tags", b"c") + part("visibility", b"private") + form_end(),
            part("title", b"x") + form_end(),
            file * 2 + form_end(),
            b"preamble\r\n" + file + form_end() + b"epilogue",
        ]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Return another body."""
        return mutate_text(data, dice)

    def check(self, data: bytes) -> str:
        """Read the form whole, byte by byte and in pieces between."""
        sizes = (len(data) or 1, 1, 7, 40) if len(data) < 2_000 else (len(data), 997)
        outcomes = {size: self._runner.run(read_form(_pieces(data, size))) for size in sizes}
        readings = {repr(outcome) for outcome in outcomes.values() if len(outcome) > 1}
        assert len(readings) <= 1, f"it depends on the pieces: {outcomes}"
        return " ".join(sorted(str(outcome[0]) for outcome in outcomes.values()))


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)] or [b""]


async def read_form(pieces: Sequence[bytes], boundary: str = BOUNDARY) -> tuple[object, ...]:
    """Return the file and the fields of a form that comes in these pieces, or the code with which it is refused.

    Of several faults the one that comes first is named, and what comes first depends on the pieces.
    """
    form = FormUpload(
        RequestBody(_receiver(pieces), declared=None, limits=_BODY_LIMITS), [], KINDS, CALLER, boundary=boundary
    )
    try:
        file = b"".join([chunk async for chunk in form.chunks()])
        said = form.submission()
    except Problem as problem:
        assert problem.code in _REFUSALS, problem  # noqa: PT017 -- both ends are right
        return (problem.code,)
    return ("read", file, said.kind.name, said.title, said.alt, said.tags, said.visibility)


def _receiver(pieces: Sequence[bytes]) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    left = list(pieces)

    async def receive() -> Mapping[str, Any]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive
