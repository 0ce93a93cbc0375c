"""`GET /images`: the tenant's images, newest first."""

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from tintype.db.image_lists import ImageFilter
from tintype.domain.actor import Scope
from tintype.domain.digest import BadDigest, parse_hex_sha256
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.image import Attachment, State
from tintype.web.image_fields import check_attachment_text
from tintype.web.image_json import ImageJson, present_image
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi
from tintype.web.openapi import problems

MAX_WORDS_CHARACTERS = 200
"""What somebody types to find a picture; a page of text is no question."""

LISTED = tuple(state for state in State if state is not State.PURGED)


class ImageListJson(msgspec.Struct):
    """A page: `next` is the cursor of what comes after it, null at the end."""

    items: list[ImageJson]
    next: str | None


@get(
    "/images",
    summary="List your images",
    description="Newest first: of the account, or of the whole tenant by its API key. "
    "What is in the trash is listed with `state=trashed` alone.",
    operation_id="listImages",
    responses=problems(401, 503),
)
async def list_images(  # noqa: PLR0913 -- each is a parameter of the query
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many, from 1 to 100.")] = 30,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
    kind: Annotated[str | None, QueryParameter(description="Only images of this kind.")] = None,
    in_state: Annotated[str | None, QueryParameter(name="state", description="Only images in this state.")] = None,
    source_sha256: Annotated[
        str | None,
        QueryParameter(description="Only images whose file, as it was sent, has this SHA-256."),
    ] = None,
    attached_to: Annotated[str | None, QueryParameter(description="Only what belongs to this `type:id`.")] = None,
    q: Annotated[
        str | None,
        QueryParameter(description="Only with all these words in title, alt or tags; the last may be a beginning."),
    ] = None,
) -> Response[ImageListJson]:
    """Return a page of the caller's images: of the account, or of the whole tenant by its key."""
    actor = (await api.caller(request)).actor
    if actor is None:
        raise Problem(Code.AUTH_REQUIRED, "A list is of your own images. Sign in, or send an API key as Bearer.")
    actor.need(Scope.IMAGES_READ)
    wanted = ImageFilter(
        owner=actor.account,
        kind=_plain("kind", kind),
        state=_state(in_state),
        source_sha256=_sha256(source_sha256),
        attached_to=_attachment(attached_to),
        words=_plain("q", q),
    )
    page = await api.image_list.page(tenant=actor.tenant, wanted=wanted, cursor=cursor, limit=limit)
    base_url = api.base_url(request)
    views = await api.views.of_all(page.images)
    shown = [present_image(image, base_url, owner=True, views=views.get(image.id)) for image in page.images]
    return Response(ImageListJson(shown, page.next), headers=UNSHARED)


def _plain(name: str, value: str | None) -> str | None:
    if value is not None and (len(value) > MAX_WORDS_CHARACTERS or "\0" in value):
        raise Problem(Code.REQUEST_UNREADABLE, f"{name} has at most {MAX_WORDS_CHARACTERS} characters, and no NUL.")
    return value


def _state(value: str | None) -> State | None:
    if value is None:
        return None
    if value not in LISTED:
        raise Problem(Code.REQUEST_UNREADABLE, f"There is no such state to list; there are {', '.join(LISTED)}.")
    return State(value)


def _sha256(value: str | None) -> bytes | None:
    try:
        return parse_hex_sha256(value) if value is not None else None
    except BadDigest as error:
        raise Problem(Code.REQUEST_UNREADABLE, f"source_sha256 {error}.") from None


def _attachment(value: str | None) -> Attachment | None:
    errors: list[FieldError] = []
    attached = check_attachment_text(value, errors) if value is not None else None
    if errors:
        raise Problem(Code.REQUEST_UNREADABLE, f"attached_to is written type:id. {errors[0].message}")
    return attached
