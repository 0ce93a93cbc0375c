"""The pages that come with the server: upload at `/`, accounts, the API's reference at `/docs`. Plain files, no build.

What the pages say about limits and errors is taken from the settings and the code, so that it cannot differ from them.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any, Final

from litestar import HttpMethod, Request, Response, Router, get, route
from litestar.datastructures import State as AppState
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.web.errors import STATUS

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only our own files run, and nobody may frame the page."""

REMEMBERED_PAGES: Final = 32
"""For tenants with limits of their own; 60 kB each."""

PEOPLE: Final = (
    *("/sign-up", "/sign-in", "/forgot-password", "/account"),
    *("/verify-email", "/reset-password", "/setup"),
)
"""The pages of accounts: one file, whose script knows them by their path. The last three are where a mail or the
operator's link leads to, with a token behind `#`."""

_READING: Final = (HttpMethod.GET, HttpMethod.HEAD)

_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the pages, read once."""

    media_type: str
    data: bytes
    etag: str


def page_routes(limits: Limits, limits_of_host: Callable[[str], Awaitable[Limits]]) -> Router:
    """Return the routes of the pages.

    `limits` are those of the kind that the upload page sends, and `limits_of_host` gives those of a host's tenant.
    """
    files = _read_files(_words(limits))
    pages: dict[Limits, dict[str, PageFile]] = {limits: files}

    @route("/", http_method=_READING, include_in_schema=False)
    async def home(request: Request[Any, Any, AppState]) -> Response[bytes]:
        theirs = await _limits(request)
        if theirs not in pages:
            if len(pages) >= REMEMBERED_PAGES:
                pages.clear()
            pages[theirs] = _read_files(_words(theirs))
        return _serve(request, pages[theirs], "index.html")

    async def _limits(request: Request[Any, Any, AppState]) -> Limits:
        try:
            return await limits_of_host(request.headers.get("host", ""))
        except Problem as problem:
            if problem.code is not Code.UNAVAILABLE:
                raise
            return limits  # the page is there when the database is not, and says so when somebody sends a file

    @get("/docs/errors.json", include_in_schema=False)
    async def errors() -> list[dict[str, Any]]:
        return list_errors()

    @route("/assets/{name:str}", http_method=_READING, include_in_schema=False)
    async def asset(request: Request[Any, Any, AppState], name: FromPath[str]) -> Response[bytes]:
        return _serve(request, files, name)

    handlers: list[HTTPRouteHandler] = [
        home,
        _fixed("docs.html", files, "/docs"),
        _fixed("people.html", files, *PEOPLE),
        errors,
        asset,
    ]
    return Router(path="/", route_handlers=handlers)


def _fixed(name: str, files: dict[str, PageFile], *paths: str) -> HTTPRouteHandler:
    """Return the handler of a page that is the same for every tenant."""

    @route(list(paths), http_method=_READING, include_in_schema=False)
    async def page(request: Request[Any, Any, AppState]) -> Response[bytes]:
        return _serve(request, files, name)

    return page


def list_errors() -> list[dict[str, Any]]:
    """Return every error code with its HTTP status and what it means, in the order of the domain."""
    return [{"code": str(code), "status": STATUS[code.kind], "summary": code.summary} for code in Code]


def _words(limits: Limits) -> dict[str, str]:
    """Return what stands in the pages for `$name`."""
    formats = [fmt for fmt in Format if fmt in limits.formats]
    *most, last = ["WebP" if fmt is Format.WEBP else fmt.value.upper() for fmt in formats]
    return {
        "formats": f"{', '.join(most)} or {last}" if most else last,
        "accept": ",".join(fmt.media_type for fmt in formats),
        "max_bytes": str(limits.max_bytes),
        "max_size": _size(limits.max_bytes),
    }


def _size(count: int) -> str:
    """Return a number of bytes in words, in the decimal units that limits are set in."""
    if count < 1_000_000:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f}".removesuffix(".0") + " MB"


def _read_files(words: Mapping[str, str]) -> dict[str, PageFile]:
    folder = resources.files("tintype.web") / "page"
    return {
        file.name: _page_file(file.name, file.read_bytes(), words)
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


def _page_file(name: str, data: bytes, words: Mapping[str, str]) -> PageFile:
    extension = name.rpartition(".")[2]
    if extension == "html":
        data = Template(data.decode()).substitute(words).encode()
    return PageFile(_TYPES[extension], data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _serve(request: Request[Any, Any, AppState], files: dict[str, PageFile], name: str) -> Response[bytes]:
    file = files.get(name)
    if file is None:
        raise Problem(Code.NOT_FOUND, "There is no such page.")
    headers = {
        "etag": file.etag,
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)
