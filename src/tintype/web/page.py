"""The pages that come with the server: upload at `/`, the API's reference at `/docs`. Plain files, no build."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.datastructures import State as AppState

from tintype.domain.errors import Code, Problem

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only our own files run, and nobody may frame the page."""

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the pages, read once."""

    media_type: str
    data: bytes
    etag: str


def page_routes() -> Router:
    """Return the routes of the pages."""
    files = _read_files()

    async def serve(request: Request[Any, Any, AppState], name: str) -> Response[bytes]:
        return _serve(request, files, name)

    @get("/", include_in_schema=False)
    async def home(request: Request[Any, Any, AppState]) -> Response[bytes]:
        return await serve(request, "index.html")

    @get("/docs", include_in_schema=False)
    async def reference(request: Request[Any, Any, AppState]) -> Response[bytes]:
        return await serve(request, "docs.html")

    @get("/assets/{name:str}", include_in_schema=False)
    async def asset(request: Request[Any, Any, AppState], name: str) -> Response[bytes]:
        return await serve(request, name)

    return Router(path="/", route_handlers=[home, reference, asset])


def _read_files() -> dict[str, PageFile]:
    folder = resources.files("tintype.web") / "page"
    return {
        file.name: _page_file(file.name, file.read_bytes())
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


def _page_file(name: str, data: bytes) -> PageFile:
    return PageFile(_TYPES[name.rpartition(".")[2]], data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


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
