"""`PATCH /images/{id}`: a JSON merge patch (RFC 7396) of what is said of an image. What is not named stays."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Response, patch
from litestar.di import NamedDependency
from litestar.params import FromPath

from tintype.domain.attachment import refuse_detaching, settled
from tintype.domain.change import refuse_pending
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.image import Attachment, Image
from tintype.domain.kind import UploadKind
from tintype.web.body import RequestBody
from tintype.web.image_fields import (
    MAX_ALT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    check_attachment,
    check_expires_at,
    check_suits,
    check_tags,
    check_text,
    check_visibility,
    invalid,
)
from tintype.web.image_json import ImageJson, present_image
from tintype.web.images_api import ApiRequest, ImagesApi, change_request, headers_of, ref_of
from tintype.web.openapi import ChangeOperation, problems

MAX_BODY_BYTES: Final = 131_072
"""The longest of every field, each character spelt as two escapes of six bytes."""


@patch(
    "/images/{image_id:str}",
    request_max_body_size=None,
    status_code=200,
    summary="Change what is said of an image",
    description="A JSON merge patch: fields that are not named stay, null clears.",
    operation_id="changeImage",
    operation_class=ChangeOperation,
    responses=problems(401, 403, 404, 409, 410, 412, 413, 422, 503),
)
async def change_image(
    request: ApiRequest, api: NamedDependency[ImagesApi], image_id: FromPath[str]
) -> Response[ImageJson]:
    """Change the image and return it."""
    change = await change_request(request, api, image_id)
    record = await api.records.get(ref_of(image_id))
    change.refuse_stranger(record.image)
    refuse_pending(record.image)
    fields, kind = _checked(await _read(request, api)), record.kind
    changed = await api.change_image(change, lambda image: _changed(image, fields, kind), kind)
    api.records.forget((change.image_id,))
    token = changed.read_token.reveal() if changed.read_token else None
    shown = present_image(changed.image, api.base_url(request), owner=True, read_token=token)
    return Response(shown, headers=headers_of(changed.image))


def _changed(image: Image, fields: Mapping[str, Any], kind: UploadKind | None) -> Image:
    """Return the image as it should be; `Problem` for what cannot be said of this one."""
    wanted = replace(image, **fields)
    errors: list[FieldError] = []
    check_suits(fields.get("visibility"), image.owner, errors)
    if errors:
        raise invalid(errors)
    refuse_detaching(image, wanted, kind)
    return settled(image, wanted, expiry_named="expires_at" in fields)


async def _read(request: ApiRequest, api: ImagesApi) -> dict[str, Any]:
    """Return the object that the body is."""
    body = RequestBody(request.receive, declared=None, limits=api.body_limits)
    read = bytearray()
    async for chunk in body.chunks():
        read += chunk
        if len(read) > MAX_BODY_BYTES:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The body of a change has at most {MAX_BODY_BYTES:,} bytes.")
    try:
        return msgspec.json.decode(bytes(read), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        message = 'The body is no JSON object. Send one such as {"title": "Lisbon"}.'
        raise Problem(Code.REQUEST_UNREADABLE, message) from None


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an image with the values that they are to have; `Problem` names every bad one."""
    errors: list[FieldError] = []
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name in _CHECKS:
            field, check = _CHECKS[name]
            fields[field] = check(value, errors)
        else:
            errors.append(FieldError(name[:40], f"There is no such field to change; there are {', '.join(_CHECKS)}."))
    if errors:
        raise invalid(errors)
    return fields


def _text(name: str, most: int, value: object, errors: list[FieldError]) -> str | None:
    if value is None or isinstance(value, str):
        return check_text(name, value or "", most, errors)
    errors.append(FieldError(name, "A text, or null."))
    return None


def _tags(value: object, errors: list[FieldError]) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return check_tags(value, errors)
    errors.append(FieldError("tags", "A list of texts, or null."))
    return ()


def _visibility(value: object, errors: list[FieldError]) -> object:
    """Return the visibility. An image always has one: null would leave to a default who sees it."""
    return check_visibility(value if isinstance(value, str) else "", errors)


def _expires_at(value: object, errors: list[FieldError]) -> object:
    return None if value is None else check_expires_at(value, errors)


def _attached_to(value: object, errors: list[FieldError]) -> Attachment | None:
    match value:
        case None:
            return None
        case {"type": str(kind), "id": str(identifier), **rest} if not rest:
            return check_attachment(kind, identifier, errors)
        case _:
            errors.append(FieldError("attach_to", 'Either {"type": …, "id": …} with two texts, or null.'))
            return None


_CHECKS: Final[Mapping[str, tuple[str, Callable[[object, list[FieldError]], object]]]] = {
    "title": ("title", partial(_text, "title", MAX_TITLE_CHARACTERS)),
    "alt": ("alt", partial(_text, "alt", MAX_ALT_CHARACTERS)),
    "tags": ("tags", _tags),
    "visibility": ("visibility", _visibility),
    "expires_at": ("expires_at", _expires_at),
    "attach_to": ("attached_to", _attached_to),
}
"""What may be changed: the field of the image that it is, and what checks it."""
