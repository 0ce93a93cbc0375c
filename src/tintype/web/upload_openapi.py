"""What the generated OpenAPI document cannot see of uploads: bodies that are read by hand, tokens in headers."""

from dataclasses import dataclass
from typing import Any, Final

from litestar.openapi.spec import OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec import Parameter as ParameterSpec
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from tintype.web.openapi import IDEMPOTENCY_KEY

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_UPLOAD_TOKEN: Final = ParameterSpec(
    name="Upload-Token", param_in="header", schema=_TEXT, description="The upload's `write_token`."
)
_WAIT: Final = ParameterSpec(
    name="Prefer",
    param_in="header",
    schema=_TEXT,
    description="`wait=5`: answer once the image is processed, or after 5 seconds; 10 at most.",
)


def _said(kind: OpenAPIType, description: str, **more: Any) -> Schema:  # noqa: ANN401 -- what a schema has
    return Schema(type=kind, description=description, **more)


_FIELDS: Final[dict[str, Schema | Reference]] = {
    "method": _said(OpenAPIType.STRING, "How the bytes come.", enum=["put", "multipart", "tus"]),
    "size": _said(OpenAPIType.INTEGER, "How many bytes the file has, exactly.", minimum=1),
    "content_type": _said(OpenAPIType.STRING, "Its media type, if it is known."),
    "sha256": _said(OpenAPIType.STRING, "Its SHA-256 in hexadecimal, if it is known: other bytes are refused."),
    "filename": _said(OpenAPIType.STRING, "Its name, without folders: a note for people."),
    "kind": _said(OpenAPIType.STRING, "A kind of the configuration; `image` unless it is named."),
    "title": _said(OpenAPIType.STRING, "A title of at most 500 characters."),
    "alt": _said(OpenAPIType.STRING, "What the picture shows; at most 5,000 characters."),
    "tags": _said(OpenAPIType.ARRAY, "Up to 30 tags.", items=_TEXT),
    "visibility": _said(OpenAPIType.STRING, "Who may see it.", enum=["public", "unlisted", "followers", "private"]),
    "is_public": _said(OpenAPIType.BOOLEAN, "false is `unlisted`."),
    "expires_in": _said(OpenAPIType.INTEGER, "For how many seconds the image is kept.", minimum=1),
    "attach_to": _said(
        OpenAPIType.OBJECT,
        "What the image belongs to.",
        properties={"type": _TEXT, "id": _TEXT},
        required=["type", "id"],
    ),
}


def _body(properties: dict[str, Schema | Reference], *needed: str, required: bool = True) -> RequestBody:
    schema = Schema(
        type=OpenAPIType.OBJECT, properties=properties, required=list(needed) or None, additional_properties=False
    )
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=required)


@dataclass
class ReserveOperation(Operation):
    """`POST /uploads`."""

    def __post_init__(self) -> None:
        self.request_body = _body(_FIELDS, "method", "size")
        self.parameters = [*(self.parameters or []), IDEMPOTENCY_KEY]


@dataclass
class TokenOperation(Operation):
    """Something of one upload: its token comes in a header of its own."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _UPLOAD_TOKEN]


@dataclass
class PartsOperation(TokenOperation):
    """`POST /uploads/{id}/parts`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.INTEGER, minimum=1))
        self.request_body = _body({"numbers": numbers}, "numbers")


@dataclass
class CompleteOperation(TokenOperation):
    """`POST /uploads/{id}/complete`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [*(self.parameters or []), _WAIT]
        properties: dict[str, Schema | Reference] = {"number": Schema(type=OpenAPIType.INTEGER), "etag": _TEXT}
        part = Schema(type=OpenAPIType.OBJECT, properties=properties, required=["number", "etag"])
        said = "In parts: each part, in order, with the `ETag` it was answered; without, whatever is there."
        self.request_body = _body(
            {"parts": Schema(type=OpenAPIType.ARRAY, items=part, description=said)}, required=False
        )


@dataclass
class SendOperation(Operation):
    """Bytes for a signed address."""

    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description="The bytes.")
        self.request_body = RequestBody(
            content={"application/octet-stream": OpenAPIMediaType(schema=binary)}, required=True
        )
        self.parameters = [
            *(self.parameters or []),
            *(
                ParameterSpec(name=name, param_in="query", schema=_TEXT, description=said)
                for name, said in (("exp", "When the address ends."), ("sig", "Its signature."))
            ),
        ]
