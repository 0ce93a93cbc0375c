"""`GET /images/{id}/receipt`: what a purge removed, and the proof."""

from datetime import datetime
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from tintype.db.purges import PurgeRecord
from tintype.domain.ids import ImageRef
from tintype.usecases.prove_purge import GONE
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, credentials_of, ref_of, write_token
from tintype.web.openapi import ReceiptOperation, problems


class ProbeJson(msgspec.Struct):
    """An address that the image had; `status` is what it answered after the purge, null until it was asked."""

    url: str
    status: int | None
    gone: bool | None


class ReceiptJson(msgspec.Struct, kw_only=True):
    """A purge. `proved` is whether every address was seen to be gone, null until they were asked."""

    id: str
    cause: Literal["request", "trash", "expiry", "account"]
    purged_at: str
    urls: list[ProbeJson]
    cache_tags: tuple[str, ...]
    probed_at: str | None
    proved: bool | None


@get(
    "/images/{image_id:str}/receipt",
    summary="What a purge removed",
    description="Every address that the image had, with what it answered after the purge; for whoever could delete it.",
    operation_id="getReceipt",
    operation_class=ReceiptOperation,
    responses=problems(401, 404, 503),
)
async def get_receipt(
    request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]
) -> Response[ReceiptJson]:
    """Return the receipt of the image's purge."""
    return Response(await receipt_of(request, api, ref_of(image_id)), headers=UNSHARED)


async def receipt_of(request: ApiRequest, api: ImagesApi, ref: ImageRef) -> ReceiptJson:
    """Return the receipt for the caller; `Problem` when there is none for them."""
    actor = await api.authenticator.actor(credentials_of(request))
    purge = await api.receipts.get(ref, actor=actor, token=write_token(request))
    return present_receipt(ref, purge, api.base_url(request))


def present_receipt(ref: ImageRef, purge: PurgeRecord, base_url: str) -> ReceiptJson:
    """Return the receipt's JSON."""
    statuses = purge.statuses
    answered: list[int | None] = list(statuses) if statuses is not None else [None] * len(purge.paths)
    return ReceiptJson(
        id=str(ref),
        cause=purge.cause.value,
        purged_at=utc_time(purge.purged_at),
        urls=[_probe(base_url + path, status) for path, status in zip(purge.paths, answered, strict=True)],
        cache_tags=purge.cache_tags,
        probed_at=_time(purge.probed_at),
        proved=GONE.issuperset(statuses) if statuses is not None else None,
    )


def _probe(url: str, status: int | None) -> ProbeJson:
    return ProbeJson(url, status, status in GONE if status is not None else None)


def _time(value: datetime | None) -> str | None:
    return utc_time(value) if value is not None else None
