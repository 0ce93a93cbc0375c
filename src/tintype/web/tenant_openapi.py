"""The bodies of `/api/v1/tenants`, as the OpenAPI document describes them."""

from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from tintype.domain.tenant import MAX_HOSTNAMES, MAX_NAME_CHARACTERS, MAX_ORIGINS
from tintype.web.openapi import IDEMPOTENCY_KEY, IF_MATCH, nullable

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_TABLES: Final = Schema(type=[OpenAPIType.OBJECT, OpenAPIType.NULL])

_FIELDS: Final[dict[str, Schema | Reference]] = {
    "slug": Schema(
        type=OpenAPIType.STRING, pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="What it is called in addresses."
    ),
    "name": nullable(OpenAPIType.STRING, "What people call it; the slug, without one.", max_length=MAX_NAME_CHARACTERS),
    "hostnames": nullable(OpenAPIType.ARRAY, "Hosts that lead to it.", items=_TEXT, max_items=MAX_HOSTNAMES),
    "origins": nullable(
        OpenAPIType.ARRAY, "Origins whose pages may call the API (CORS).", items=_TEXT, max_items=MAX_ORIGINS
    ),
    "anonymous_uploads": nullable(OpenAPIType.BOOLEAN, "Whether strangers may upload; null: as the server has it."),
    "presets": nullable(
        OpenAPIType.OBJECT, "Presets of its own, as in `[presets]` of the configuration.", additional_properties=_TABLES
    ),
    "kinds": nullable(
        OpenAPIType.OBJECT, "Kinds of its own, as in `[kinds]` of the configuration.", additional_properties=_TABLES
    ),
}


@dataclass
class TenantCreation(Operation):
    """`POST /tenants`."""

    def __post_init__(self) -> None:
        self.request_body = _body(required=["slug"])
        self.parameters = [*(self.parameters or []), IDEMPOTENCY_KEY]


@dataclass
class TenantChange(Operation):
    """`PATCH /tenants/{tenant}`: a merge patch."""

    def __post_init__(self) -> None:
        self.request_body = _body(required=None)
        self.parameters = [*(self.parameters or []), IF_MATCH]


def _body(required: list[str] | None) -> RequestBody:
    schema = Schema(type=OpenAPIType.OBJECT, properties=_FIELDS, required=required, additional_properties=False)
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=True)
