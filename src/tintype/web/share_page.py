"""`/p/{image}`: the picture at the address that people share, for eyes and for programs that preview links.

A page without a script. Whoever may have the bytes may see it, by the same decision; who may not is told what everybody
is told about what is not there: a page to people, a problem to programs.
"""

import hashlib
from typing import Any, Final

from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image, State
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.visibility import Visibility
from tintype.web.app import CODE_KEY
from tintype.web.conditional import is_not_modified
from tintype.web.delivery_answer import FOR_SECONDS, cache_tag
from tintype.web.errors import problem_answer
from tintype.web.images_api import ApiRequest, ImagesApi, look_up
from tintype.web.oembed import oembed
from tintype.web.share_html import SharedImage, notice_document, share_document
from tintype.web.share_sizes import original_size, shown_size

POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing runs here at all, and nobody may frame the page."""

_COMMON: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may hold a token
}

FOR_A_MINUTE: Final = "public, max-age=60"
"""Titles change and views are counted; what is deleted is purged by its tag."""

UNCACHED: Final = "private, no-store"

_NOTICES: Final = {
    Code.IMAGE_GONE: ("This picture was deleted", "Nothing of it is left here."),
    Code.NOT_FOUND: (
        "There is no picture here",
        "Look whether the link is whole: one of a private picture ends with its token. It may also have been deleted.",
    ),
    Code.AUTH_REQUIRED: ("This key does not open anything", "Check it, or come without one."),
    Code.UNAVAILABLE: ("Not right now", "The server is catching its breath. Come back in a moment."),
}

_REJECTED: Final = ("This picture cannot be shown", "The file is damaged, or not what it says it is.")
_HELD: Final = ("This picture is held back", "Somebody has to look at it first.")
_COMING: Final = ("This picture is on its way", "It is being looked at. Come back in a moment.")
_TRASHED: Final = ("This picture is in the trash", "You can restore it; nobody else sees that it is there.")

_HIDDEN: Final = {State.REJECTED: _REJECTED, State.QUARANTINED: _HELD, State.TRASHED: _TRASHED}
"""States in which there is an image and no picture."""


@get("/p/{image_id:str}", include_in_schema=False)
async def share_page(request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]) -> Response[Any]:
    """Show the picture at the address that people share."""
    token = request.query_params.get("token")
    try:
        seen = await look_up(request, api, image_id, token)
    except Problem as problem:
        if problem.code not in _NOTICES or "text/html" not in request.headers.get("accept", ""):
            raise
        return _refused(request, problem)
    image, by_link = seen.image, seen.record.by_link
    if image.pending and image.state is State.PROCESSING:
        return _notice(image, *_COMING, by_link=by_link)
    if image.state in _HIDDEN:
        return _notice(image, *_HIDDEN[image.state], by_link=by_link)
    shared = SharedImage(
        image=image,
        shown=shown_size(image, seen.record.presets),
        original=original_size(image),
        base_url=api.base_url(request),
        views=await api.views.of(seen.record),
        token=token if token and parse_token(Purpose.READ, token) and not by_link else "",
        by_link=by_link,
    )
    return _shown(request, shared)


def _shown(request: ApiRequest, shared: SharedImage) -> Response[Any]:
    image, page = shared.image, share_document(shared)
    etag = f'"{hashlib.sha256(page).hexdigest()[:32]}"'
    headers = {**_COMMON, **_kept(image, by_link=shared.by_link), "etag": etag}
    asked = request.headers.get("if-none-match")
    if asked is not None and is_not_modified(
        if_none_match=asked, if_modified_since=None, etag=etag, modified=image.updated_at
    ):
        return Response(b"", status_code=304, headers=headers, media_type="text/html")
    return Response(page, headers=headers, media_type="text/html")


def _kept(image: Image, *, by_link: bool) -> dict[str, str]:
    """Return how long caches may keep the page, and by which tags they are told to drop it."""
    if not by_link:
        return {"cache-control": UNCACHED, "x-robots-tag": "noindex, noarchive"}
    settled = image.state is not State.PROCESSING
    kept = {"cache-control": FOR_A_MINUTE if settled else FOR_SECONDS, "cache-tag": cache_tag(image)}
    return kept if image.visibility is Visibility.PUBLIC else {**kept, "x-robots-tag": "noindex"}


def _notice(image: Image, title: str, text: str, *, by_link: bool) -> Response[Any]:
    """Return the page of an image that is there and cannot be shown; not found is what it is to a browser."""
    headers = {**_COMMON, **_kept(image, by_link=by_link), "x-robots-tag": "noindex"}
    if by_link:
        headers["cache-control"] = FOR_SECONDS if image.state is not State.TRASHED else UNCACHED
    return Response(notice_document(title, text), status_code=404, headers=headers, media_type="text/html")


def _refused(request: ApiRequest, problem: Problem) -> Response[Any]:
    status, given, _ = problem_answer(problem, "")
    headers = {**_COMMON, "vary": "Accept", "x-robots-tag": "noindex"}
    headers["cache-control"] = FOR_SECONDS if status in {404, 410} else "no-store"
    headers |= {name: value for name, value in given.items() if name in {"retry-after", "www-authenticate"}}
    request.scope["state"][CODE_KEY] = problem.code
    return Response(
        notice_document(*_NOTICES[problem.code]), status_code=status, headers=headers, media_type="text/html"
    )


def share_routes(api: ImagesApi) -> Router:
    """Return the routes of what is shared, which have no prefix."""
    return Router(
        path="/",
        route_handlers=[share_page, oembed],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
    )
