"""The bodies of accounts and sessions for the OpenAPI document: they are read field by field, which it cannot see."""

from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec import Parameter as ParameterSpec
from litestar.openapi.spec.enums import OpenAPIType

from tintype.domain.handle import MAX_CHARACTERS as MAX_HANDLE
from tintype.domain.handle import MIN_CHARACTERS as MIN_HANDLE
from tintype.domain.password import MAX_CHARACTERS, MIN_CHARACTERS
from tintype.web.openapi import IDEMPOTENCY_KEY

Properties = dict[str, Schema | Reference]


def _text(description: str, **more: int) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, **more)  # type: ignore[arg-type]


def _nullable(kind: OpenAPIType, description: str, items: Schema | None = None) -> Schema:
    return Schema(type=[kind, OpenAPIType.NULL], description=description, items=items)


_HANDLE: Final = _text("a to z, digits, _ and .", min_length=MIN_HANDLE, max_length=MAX_HANDLE)
_EMAIL: Final = _text("An e-mail address.")
_PASSWORD: Final = _text("No rules but length.", min_length=MIN_CHARACTERS, max_length=MAX_CHARACTERS)
_TOKEN: Final = _text("What stands behind the # of the link.")
_IF_MATCH: Final = ParameterSpec(
    name="If-Match",
    param_in="header",
    schema=_text("An `ETag`: change it only if it still is what you read."),
    description="An `ETag`: change it only if it still is what you read.",
)
_PERSON: Final[Properties] = {"handle": _HANDLE, "email": _EMAIL, "password": _PASSWORD}


def json_body(properties: Properties, *required: str) -> RequestBody:
    """Return the declaration of a body that is an object of these properties and no others."""
    schema = Schema(
        type=OpenAPIType.OBJECT,
        properties=properties,
        required=list(required) or None,
        additional_properties=False,
    )
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=bool(required))


@dataclass
class SignUpOperation(Operation):
    """`POST /accounts`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(_PERSON, "handle", "email", "password")
        self.parameters = [IDEMPOTENCY_KEY]


@dataclass
class SetUpOperation(Operation):
    """`POST /setup`."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"token": _TOKEN, **_PERSON}, "token", "handle", "email", "password")


@dataclass
class SignInOperation(Operation):
    """`POST /sessions`."""

    def __post_init__(self) -> None:
        properties: Properties = {
            "login": _text("A handle or an e-mail address."),
            "password": _text("The password."),
            "totp": _nullable(OpenAPIType.STRING, "A code, where the account asks for one."),
        }
        self.request_body = json_body(properties, "login", "password")


@dataclass
class ProfileOperation(Operation):
    """`PATCH /account`."""

    def __post_init__(self) -> None:
        links = _nullable(OpenAPIType.ARRAY, "Up to five addresses.", Schema(type=OpenAPIType.STRING))
        self.request_body = json_body(
            {
                "handle": _HANDLE,
                "name": _nullable(OpenAPIType.STRING, "What people call you."),
                "bio": _nullable(OpenAPIType.STRING, "A paragraph about you."),
                "links": links,
                "private": Schema(type=OpenAPIType.BOOLEAN, description="Whether only followers see your posts."),
            }
        )
        self.parameters = [*(self.parameters or []), _IF_MATCH]


@dataclass
class DecideOperation(Operation):
    """`PATCH /accounts/{account}`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(
            {
                "state": Schema(type=OpenAPIType.STRING, enum=["active", "suspended"], description="Its new state."),
                "reason": _nullable(OpenAPIType.STRING, "Why; the account's owner is shown it by the operator."),
                "role": Schema(
                    type=OpenAPIType.STRING, enum=["member", "moderator", "operator"], description="Its new role."
                ),
            }
        )
        self.parameters = [*(self.parameters or []), _IF_MATCH]


@dataclass
class VerifyEmailOperation(Operation):
    """`POST /account/verify-email`: a link is asked for, or opened."""

    def __post_init__(self) -> None:
        current = _text("The password that you have, for another address.")
        self.request_body = json_body({"token": _TOKEN, "email": _EMAIL, "current_password": current})
        self.responses = {**(self.responses or {}), "204": OpenAPIResponse(description="The address is yours")}


@dataclass
class ChangePasswordOperation(Operation):
    """`POST /account/password`."""

    def __post_init__(self) -> None:
        properties: Properties = {"current_password": _text("The password that you have."), "password": _PASSWORD}
        self.request_body = json_body(properties, "current_password", "password")


@dataclass
class ResetPasswordOperation(Operation):
    """`POST /account/password-reset`: a link is asked for, or opened."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"email": _EMAIL, "token": _TOKEN, "password": _PASSWORD})
        self.responses = {**(self.responses or {}), "204": OpenAPIResponse(description="The password is changed")}
