"""`GET /images/{id}/views`: how often an image was viewed, by days (UTC)."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.domain.errors import Code, Problem
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, look_up
from tintype.web.openapi import problems

USUAL_DAYS: Final = 30
MOST_DAYS: Final = 366
"""A year's chart; more is asked for in parts."""


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
    last = _day(to, "to") if to else datetime.now(UTC).date()
    first = _day(from_, "from") if from_ else last - timedelta(days=min(USUAL_DAYS - 1, last.toordinal() - 1))
    if not 0 <= (last - first).days < MOST_DAYS:
        raise Problem(Code.REQUEST_UNREADABLE, f"`from` and `to` are in order and span at most {MOST_DAYS} days.")
    days = await api.views.by_day(image, first=first, last=last)
    total = (await api.views.of_all([image])).get(image.id, 0)
    shown = ViewsJson(total=total, items=[DayJson(day.isoformat(), views) for day, views in days])
    return Response(shown, headers=UNSHARED)


def _day(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Problem(Code.REQUEST_UNREADABLE, f"`{name}` is a day, such as 2026-11-20.") from error


def view_routes(api: ImagesApi) -> Router:
    """Return the route of the counts."""
    return Router(
        path="/api/v1",
        route_handlers=[count_views],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Images"],
    )
