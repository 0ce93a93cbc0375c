"""`PUT /images/{id}/content`: other bytes for the same image, as a form or raw; the limits are those of its kind."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from litestar import Response, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from tintype.domain.change import refuse_pending
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.kind import UploadKind
from tintype.reads.delivery import DeliveryRecord
from tintype.storage.intake import refuse_if_longer
from tintype.usecases.replace_content import Replacement
from tintype.web.body import RequestBody
from tintype.web.form_file import FormFile
from tintype.web.image_fields import invalid
from tintype.web.image_json import ImageJson, present_image
from tintype.web.images_api import ApiRequest, ImagesApi, change_request, headers_of, ref_of
from tintype.web.openapi import ContentOperation, problems
from tintype.web.rate_limit_fields import rate_limit_headers
from tintype.web.receiving import form_boundary, query_fields, receiving
from tintype.web.upload_request import read_once, read_sha256

_FIELDS: Final = frozenset({"sha256"})


@put(
    "/images/{image_id:str}/content",
    request_max_body_size=None,
    status_code=200,
    summary="Replace an image's bytes",
    description="A form with the field `file`, or the file itself as the body. The version is one more, and addresses"
    " of earlier versions lead to it.",
    operation_id="replaceContent",
    operation_class=ContentOperation,
    responses=problems(401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 429, 503, 507),
)
async def replace_content(
    request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]
) -> Response[ImageJson]:
    """Give the image other bytes; the old ones are nowhere to be seen when this answers."""
    async with receiving(request, api) as body:
        change, caller = await change_request(request, api, image_id), await api.caller(request)
        record = await api.records.get(ref_of(image_id))
        change.refuse_stranger(record.image)
        refuse_pending(record.image)
        kind = _kind(record)
        incoming = ContentRequest(body, query_fields(request), kind, boundary=form_boundary(request))
        refuse_if_longer((body.declared or 0) - incoming.beside_file, incoming.kinds())
        async with api.gate.admit(caller, body) as standings:
            replaced = await api.replace_content(change, incoming)
    api.records.forget((change.image_id,))
    shown = present_image(replaced.image, api.base_url(request), owner=True, deduplicated=replaced.deduplicated)
    return Response(shown, headers={**headers_of(replaced.image), **rate_limit_headers(standings)})


def _kind(record: DeliveryRecord) -> UploadKind:
    if record.kind is None:
        gone = record.image.kind
        raise Problem(Code.CONFLICT, f"There is no kind {gone!r} any more. Upload a new image of another kind.")
    return record.kind


class ContentRequest:
    """The file of the request, and its SHA-256 if that is said (`storage/intake.py` Incoming)."""

    def __init__(
        self, body: RequestBody, given: Sequence[tuple[str, str]], kind: UploadKind, *, boundary: str | None
    ) -> None:
        """`boundary` is that of a form; None when the body is the file."""
        self._body = body
        self._given = list(given)
        self._kind = kind
        self._form = FormFile(body, boundary, given=self._given, kinds=self.kinds) if boundary is not None else None
        self.beside_file = FormFile.beside_file if boundary is not None else 0

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file."""
        return self._form.chunks() if self._form is not None else self._body.chunks()

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kind that the image has."""
        return (self._kind,)

    def submission(self) -> Replacement:
        """Return what is said about the bytes; `Problem` request.invalid names every bad field."""
        errors: list[FieldError] = []
        sha256 = read_sha256(read_once(self._given, _FIELDS, errors), errors)
        if errors:
            raise invalid(errors)
        return Replacement(self._kind, sha256)
