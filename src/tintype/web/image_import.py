"""`POST /images` with JSON: an import by URL, within the limits of uploads and some of its own."""

from contextlib import AsyncExitStack

from tintype.domain.rate_limit import Standing
from tintype.usecases.upload_image import Accepted, Repeatable, Repeated, Submission
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.idempotency import key_of
from tintype.web.images_api import ApiRequest, ImagesApi
from tintype.web.receiving import query_fields
from tintype.web.source_upload import SourceUpload, read_source_fields
from tintype.web.upload_answer import write_down


def is_json(request: ApiRequest) -> bool:
    """Return whether the body says that it is JSON, and so not the file."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def import_image(
    request: ApiRequest, api: ImagesApi, body: RequestBody, caller: Caller
) -> tuple[Accepted | Repeated, tuple[Standing, ...]]:
    """Return what became of the import, and how the caller stands with the limits; `Problem` when it is refused."""
    with api.sources.slots.hold(caller):
        async with api.gate.admit(caller, body) as standings, AsyncExitStack() as conversation:
            await api.usage.refuse_if_full(caller.tenant, caller.actor.account if caller.actor else None)
            given = [*query_fields(request), *await read_source_fields(body)]
            kinds = (await api.tenants.get(caller.tenant)).kinds
            incoming = SourceUpload(api.sources, given, kinds, caller, conversation)
            again = repeatable(request, caller, api.base_url(request), said=incoming.said)
            try:
                return await api.upload_image(incoming, again), standings
            finally:
                await api.gate.charge_fetched(caller, incoming.fetched)


def repeatable(
    request: ApiRequest, caller: Caller, base_url: str, *, said: Submission | None = None
) -> Repeatable | None:
    """Return what makes the upload repeatable, None without an Idempotency-Key; `said` where that is known already."""
    key = key_of(request.headers, caller)
    return Repeatable(key, lambda accepted: write_down(accepted, base_url), said) if key else None
