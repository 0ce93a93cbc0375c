"""`GET /images/{id}/views`: how often an image was viewed, by days (UTC)."""

from typing import Annotated

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.web.days import read_span
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, look_up
from tintype.web.openapi import problems


class DayJson(msgspec.Struct):
    """A day, `YYYY-MM-DD` in UTC, and its views."""

    day: str
    views: int


class ViewsJson(msgspec.Struct, kw_only=True):
    """Every day that was asked for, the oldest first; `total` is of the image's whole life."""

    total: int
    items: list[DayJson]


@get(
    "/images/{image_id:str}/views",
    summary="Count an image's views",
    description="A view is the original, or a size of 1024 pixels and more, sent to somebody who is no robot.",
    operation_id="countViews",
    responses=problems(401, 404, 410, 503),
)
async def count_views(
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    image_id: FromPath[str],
    from_: Annotated[
        str | None, QueryParameter(name="from", description="The first day, `YYYY-MM-DD`; 29 days before `to`.")
    ] = None,
    to: Annotated[str | None, QueryParameter(description="The last day, `YYYY-MM-DD`; today.")] = None,
    read_token: Annotated[
        str | None, QueryParameter(name="token", description="The read token of a private image.")
    ] = None,
) -> Response[ViewsJson]:
    """Return the views of each day."""
    image = (await look_up(request, api, image_id, read_token)).image
    first, last = read_span(from_, to)
    days = await api.views.by_day(image, first=first, last=last)
    total = (await api.views.of_all([image])).get(image.id, 0)
    shown = ViewsJson(total=total, items=[DayJson(day.isoformat(), views) for day, views in days])
    return Response(shown, headers=UNSHARED)


def view_routes(api: ImagesApi) -> Router:
    """Return the route of the counts."""
    return Router(
        path="/api/v1",
        route_handlers=[count_views],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Images"],
    )
