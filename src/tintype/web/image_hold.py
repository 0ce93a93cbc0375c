"""`PUT|DELETE /images/{id}/hold`: the legal hold, for the operator."""

from litestar import delete, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from tintype.domain.actor import Scope
from tintype.web.images_api import ApiRequest, ImagesApi, change_request
from tintype.web.openapi import OwnerOperation, problems


@put(
    "/images/{image_id:str}/hold",
    status_code=204,
    summary="Put an image on hold",
    description="Its bytes can be neither purged nor replaced, by anybody or by time, until the hold is lifted.",
    operation_id="holdImage",
    operation_class=OwnerOperation,
    responses=problems(401, 403, 404, 410, 412, 503),
)
async def hold_image(request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]) -> None:
    """Put the image on hold."""
    await _set_hold(request, api, image_id, hold=True)


@delete(
    "/images/{image_id:str}/hold",
    status_code=204,
    summary="Lift a hold",
    operation_id="releaseImage",
    operation_class=OwnerOperation,
    responses=problems(401, 403, 404, 410, 412, 503),
)
async def release_image(request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]) -> None:
    """Lift the hold; what has expired meanwhile is purged by the next sweep."""
    await _set_hold(request, api, image_id, hold=False)


async def _set_hold(request: ApiRequest, api: ImagesApi, image_id: str, *, hold: bool) -> None:
    change = await change_request(request, api, image_id, Scope.IMAGES_HOLD)
    await api.hold_image(change, hold=hold)
    api.records.forget((change.image_id,))
