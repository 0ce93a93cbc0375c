"""`DELETE /images/{id}` and `POST …/restore`: into the trash, out of it, and past it for good."""

from typing import Annotated, Any

from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from tintype.domain.actor import Scope
from tintype.domain.image import Image
from tintype.web.image_json import ImageJson, present_image
from tintype.web.image_receipt import receipt_of
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, change_request, headers_of, ref_of
from tintype.web.openapi import DeleteOperation, OwnerOperation, problems
from tintype.web.preference import APPLIED, wants_representation


@delete(
    "/images/{image_id:str}",
    status_code=200,
    summary="Delete an image",
    description="Into the trash, from where it can be restored; with `purge`, for good. By API key, or with the delete"
    " token of an anonymous upload as `Upload-Token`.",
    operation_id="deleteImage",
    operation_class=DeleteOperation,
    responses=problems(401, 403, 404, 409, 410, 412, 503),
)
async def delete_image(
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    image_id: FromPath[str],
    *,
    purge: Annotated[bool, QueryParameter(description="Skip the trash: nothing is left to restore.")] = False,
) -> Response[Any]:
    """Trash or purge the image: when this answers, nothing of it is served any more."""
    change = await change_request(request, api, image_id, Scope.IMAGES_DELETE)
    wanted = wants_representation(request.headers)
    if (await api.records.get(ref_of(image_id))).image.pending and await api.abort_upload(change):
        api.records.forget((change.image_id,))
        return _nothing()
    if purge:
        await api.purge_image(change)
        api.records.forget((change.image_id,))
        if not wanted:
            return _nothing()
        receipt = await receipt_of(request, api, ref_of(image_id))
        return Response(receipt, headers={**UNSHARED, **APPLIED})
    image = await api.trash_image(change)
    api.records.forget((change.image_id,))
    return _shown(api, request, image, APPLIED) if wanted else _nothing()


@post(
    "/images/{image_id:str}/restore",
    status_code=200,
    summary="Restore an image",
    description="Out of the trash, as it was. An image that is not in the trash stays as it is.",
    operation_id="restoreImage",
    operation_class=OwnerOperation,
    responses=problems(401, 403, 404, 409, 410, 412, 503),
)
async def restore_image(
    request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]
) -> Response[ImageJson]:
    """Take the image out of the trash."""
    change = await change_request(request, api, image_id, Scope.IMAGES_DELETE)
    kind = (await api.records.get(ref_of(image_id))).kind
    image = await api.trash_image.restore(change, kind)
    api.records.forget((change.image_id,))
    return _shown(api, request, image, {})


def _nothing() -> Response[Any]:
    return Response(b"", status_code=204, headers=UNSHARED)


def _shown(api: ImagesApi, request: ApiRequest, image: Image, headers: dict[str, str]) -> Response[ImageJson]:
    shown = present_image(image, api.base_url(request), owner=True)
    return Response(shown, headers={**headers_of(image), **headers})
