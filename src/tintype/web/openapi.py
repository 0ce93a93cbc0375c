"""What the generated OpenAPI document cannot see: bodies that are read byte by byte, and our problems."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec import Parameter as ParameterSpec
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from tintype.domain.format import Format


class FieldErrorJson(msgspec.Struct):
    """One bad field, named as the client named it."""

    field: str
    message: str


class ProblemJson(msgspec.Struct):
    """A problem (RFC 9457). `code` is stable: switch on it. `/docs` lists every code."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldErrorJson] | msgspec.UnsetType = msgspec.UNSET


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the responses of an operation that may be refused with these statuses, and, as any, with 400."""
    problem = ResponseSpec(
        data_container=ProblemJson,
        description="A problem",
        media_type="application/problem+json",
        generate_examples=False,
    )
    return dict.fromkeys((400, *statuses), problem)


def _text(description: str, enum: list[str] | None = None) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, enum=enum)


_FIELDS: Final = {
    "kind": _text("A kind of the configuration; `image` unless it is named."),
    "title": _text("A title of at most 500 characters."),
    "alt": _text("What the picture shows, for whoever cannot see it; at most 5,000 characters."),
    "tags": _text("Up to 30 tags, with commas between them."),
    "visibility": _text("Who may see it.", ["public", "unlisted", "followers", "private"]),
    "sha256": _text("The SHA-256 of the file in hexadecimal; other bytes are refused."),
    "is_public": _text("false is `unlisted`.", ["true", "false"]),
    "expires_in": _text("For how many seconds the image is kept; for good unless it or its kind says so."),
    "attach_to": _text("What the image belongs to: `type:id` in your own words; an avatar to `account:acc_…`."),
    "attach_type": _text("Its type alone, with `attach_id`."),
    "attach_id": _text("Its id alone, with `attach_type`."),
}
_FILE: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description="The image.")

_SOURCE: Final = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "source_url": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URL, description="Where the file lies."),
        **_FIELDS,
        "tags": Schema(type=OpenAPIType.ARRAY, description="Up to 30 tags.", items=Schema(type=OpenAPIType.STRING)),
        "is_public": Schema(type=OpenAPIType.BOOLEAN, description="false is `unlisted`."),
        "expires_in": Schema(type=OpenAPIType.INTEGER, description="For how many seconds the image is kept."),
    },
    required=["source_url"],
    additional_properties=False,
)


@dataclass
class UploadOperation(Operation):
    """`POST /images`: a form, or the file itself with the fields in the query."""

    def __post_init__(self) -> None:
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": _FILE, **_FIELDS}, required=["file"])
        raw = {fmt.media_type: OpenAPIMediaType(schema=_FILE) for fmt in Format}
        by_url = OpenAPIMediaType(schema=_SOURCE)
        self.request_body = RequestBody(
            content={"multipart/form-data": OpenAPIMediaType(schema=form), "application/json": by_url, **raw},
            required=True,
        )
        self.parameters = [
            ParameterSpec(name=name, param_in="query", schema=schema, description=schema.description)
            for name, schema in _FIELDS.items()
        ]
        self.parameters += [_WAIT, IDEMPOTENCY_KEY, *_DIGESTS]


@dataclass
class LookOperation(Operation):
    """`GET /images/{id}`: with `size` the answer is a redirect."""

    def __post_init__(self) -> None:
        self.responses = {
            **(self.responses or {}),
            "302": OpenAPIResponse(description="With `size`: where the bytes are"),
            "304": OpenAPIResponse(description="With `If-None-Match`: it is what you have"),
        }
        self.parameters = [*(self.parameters or []), _WAIT]


def _header(name: str, description: str) -> ParameterSpec:
    return ParameterSpec(name=name, param_in="header", schema=_text(description), description=description)


_UPLOAD_TOKEN: Final = _header("Upload-Token", "The `delete_token` of an anonymous upload.")
IF_MATCH: Final = _header("If-Match", "An `ETag`: change it only if it still is what you read.")
_PREFER: Final = _header("Prefer", "`return=representation`: answer with what came of it.")
_WAIT: Final = _header("Prefer", "`wait=5`: answer once the image is processed, or after 5 seconds; 10 at most.")

IDEMPOTENCY_KEY: Final = _header(
    "Idempotency-Key",
    "A key of yours, such as a UUID: who repeats the request with it within a day gets the first answer again, with "
    "`Idempotent-Replayed: true`.",
)
_DIGESTS: Final = (
    _header("Content-Digest", "The body's checksum, `sha-256=:…:` or `sha-512=:…:` (RFC 9530): others are refused."),
    _header("Repr-Digest", "Likewise."),
    _header("Content-MD5", "Likewise, an MD5 in base64."),
)


@dataclass
class EventsOperation(Operation):
    """`GET /images/{id}/events`: a stream, or 204 to a client that comes back after its end."""

    def __post_init__(self) -> None:
        # Without a type: some readers take it for the whole stream, some for an event of it (OpenAPI 3.2).
        said = "Events, as HTML defines them; the data of each is the image's JSON."
        stream = OpenAPIMediaType(schema=Schema(description=said))
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(description="The stream", content={"text/event-stream": stream}),
            "204": OpenAPIResponse(description="There is no more to tell: do not come back"),
        }
        last = _header("Last-Event-ID", "The id of the last event that a client had: it is told the rest.")
        self.parameters = [*(self.parameters or []), last]


@dataclass
class OwnerOperation(Operation):
    """A change of an image: the delete token comes in a header of its own, and an ETag says which state is meant."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _UPLOAD_TOKEN, IF_MATCH]


@dataclass
class RepeatableOperation(OwnerOperation):
    """A POST that makes something of an image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [*(self.parameters or []), IDEMPOTENCY_KEY]


@dataclass
class RepeatableCreation(Operation):
    """A POST that makes something that is nobody else's."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), IDEMPOTENCY_KEY]


@dataclass
class DeleteOperation(OwnerOperation):
    """`DELETE /images/{id}`: the answer is empty, unless the client would like to see one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [*(self.parameters or []), _PREFER]
        self.responses = {**(self.responses or {}), "204": OpenAPIResponse(description="It is deleted")}


@dataclass
class ContentOperation(OwnerOperation):
    """`PUT /images/{id}/content`: a form, or the file itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        properties: dict[str, Schema | Reference] = {"file": _FILE, "sha256": _FIELDS["sha256"]}
        form = Schema(type=OpenAPIType.OBJECT, properties=properties, required=["file"])
        raw = {fmt.media_type: OpenAPIMediaType(schema=_FILE) for fmt in Format}
        self.request_body = RequestBody(
            content={"multipart/form-data": OpenAPIMediaType(schema=form), **raw}, required=True
        )


def nullable(kind: OpenAPIType, description: str, **more: Any) -> Schema:  # noqa: ANN401 -- what a schema has
    """Return the schema of a value that may be null."""
    return Schema(type=[kind, OpenAPIType.NULL], description=description, **more)


_ATTACH_TO: Final = nullable(
    OpenAPIType.OBJECT,
    "What the image belongs to.",
    properties={"type": Schema(type=OpenAPIType.STRING), "id": Schema(type=OpenAPIType.STRING)},
    required=["type", "id"],
)
_CHANGES: Final[dict[str, Schema | Reference]] = {
    "title": nullable(OpenAPIType.STRING, "A title of at most 500 characters."),
    "alt": nullable(OpenAPIType.STRING, "What the picture shows; at most 5,000 characters."),
    "tags": nullable(OpenAPIType.ARRAY, "Up to 30 tags.", items=Schema(type=OpenAPIType.STRING)),
    "visibility": _FIELDS["visibility"],
    "expires_at": nullable(OpenAPIType.STRING, "When the image is gone.", format=OpenAPIFormat.DATE_TIME),
    "attach_to": _ATTACH_TO,
}


@dataclass
class ChangeOperation(OwnerOperation):
    """`PATCH /images/{id}`: a merge patch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        schema = Schema(type=OpenAPIType.OBJECT, properties=_CHANGES, additional_properties=False)
        kinds = ("application/json", "application/merge-patch+json")
        self.request_body = RequestBody(
            content={kind: OpenAPIMediaType(schema=schema) for kind in kinds}, required=True
        )


@dataclass
class ReceiptOperation(Operation):
    """`GET /images/{id}/receipt`: the delete token comes in a header of its own."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _UPLOAD_TOKEN]


@dataclass
class AuditOperation(Operation):
    """`GET /audit`: a page, or, with `format=ndjson`, a line for each entry."""

    def __post_init__(self) -> None:
        said = "With `format=ndjson`: an entry as JSON on each line."
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content is not None:
            answer.content["application/x-ndjson"] = OpenAPIMediaType(schema=Schema(description=said))


@dataclass
class DeletionOperation(Operation):
    """`GET /account-deletions/{id}`: the token comes in a header of its own."""

    def __post_init__(self) -> None:
        token = _header("Deletion-Token", "The `token` of the answer that deleted the account.")
        self.parameters = [*(self.parameters or []), token]


@dataclass
class ExportFileOperation(Operation):
    """`GET /account/export/file`: a zip, or a part of it."""

    def __post_init__(self) -> None:
        zipped = {"application/zip": OpenAPIMediaType(schema=_FILE)}
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(description="The file", content=zipped),
            "206": OpenAPIResponse(description="With `Range`: a part of it", content=zipped),
        }
        self.parameters = [*(self.parameters or []), _header("Range", "One range of bytes.")]
