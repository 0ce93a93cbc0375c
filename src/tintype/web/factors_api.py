"""What the handlers of an account's factors work with: whose account it is, and what proves that once more."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.openapi.spec import Operation, Reference, Schema
from litestar.openapi.spec.enums import OpenAPIType

from tintype.db.attempt_limits import AttemptLimits
from tintype.db.factors import Factors
from tintype.db.pool import Database
from tintype.domain.actor import Scope
from tintype.domain.attempt_limits import begin_charges
from tintype.domain.errors import Code, Problem
from tintype.domain.own_account import Own, Proof
from tintype.usecases.begin_session import BeginSession
from tintype.usecases.passkeys import Passkeys, Site
from tintype.usecases.prove_identity import ProveIdentity
from tintype.usecases.second_factor import SecondFactor
from tintype.usecases.sign_in import SignedIn
from tintype.usecases.sign_in_elsewhere import SignInElsewhere
from tintype.web.account_json import OpenedSessionJson
from tintype.web.account_openapi import json_body
from tintype.web.accounts_api import AccountsApi
from tintype.web.auth import Caller
from tintype.web.images_api import ApiRequest
from tintype.web.json_body import Fields, read_json
from tintype.web.openapi import IDEMPOTENCY_KEY

MAX_SECRET_CHARACTERS: Final = 1_000
"""Of a password or a code that is sent: nobody's is longer, and looking at it costs."""

PROOF_FIELDS: Final = ("password", "totp")


@dataclass(frozen=True, slots=True)
class FactorsApi:
    """What the handlers work with."""

    accounts: AccountsApi
    second_factor: SecondFactor
    passkeys: Passkeys
    sign_in_elsewhere: SignInElsewhere
    prove_identity: ProveIdentity
    begin_session: BeginSession
    database: Database
    limits: AttemptLimits
    public_url: str | None

    def base_url(self, request: ApiRequest) -> str:
        """Return where clients reach us: as configured, else as this one did."""
        return self.public_url or f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"

    def site(self, request: ApiRequest) -> Site:
        """Return where the passkeys belong that are registered or used here."""
        return Site.of(self.base_url(request))

    async def fields(self, request: ApiRequest, *known: str) -> Fields:
        """Return the fields of the body, which has no others."""
        return Fields(await read_json(request, self.accounts.body_limits), *known)

    async def own(self, request: ApiRequest) -> Own:
        """Return whose account it is; `Problem` auth.required for nobody, auth.forbidden for a tenant's key."""
        caller = await self.accounts.caller(request)
        actor = caller.actor
        if actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Sign in first, and send the token that you get as Bearer.")
        actor.need(Scope.ACCOUNT)
        if actor.account is None:
            raise Problem(Code.AUTH_FORBIDDEN, "This API key is the tenant's, which has no account. Sign in.")
        return Own(actor.tenant, actor.account, caller.session, caller.requester)

    async def proved(self, request: ApiRequest, *known: str) -> tuple[Own, Factors, Fields]:
        """Return whose account it is once they have shown that it is them, and what else the body says.

        `Problem` as `ProveIdentity` says, and request.invalid.
        """
        own = await self.own(request)
        fields = await self.fields(request, *PROOF_FIELDS, *known)
        shown = [_short(fields, name) for name in PROOF_FIELDS]
        fields.done()
        return own, await self.prove_identity(own, Proof(*shown)), fields

    async def visitor(self, request: ApiRequest) -> Caller:
        """Return who wants to sign in: whatever else they show, nobody yet."""
        tenant = await self.accounts.authenticator.tenant_of(request.headers)
        visitor = self.accounts.visitor(request)
        return Caller(tenant, None, visitor.address, noted=visitor.noted)

    async def admit(self, request: ApiRequest) -> Caller:
        """Return who begins to sign in without a name; `Problem` rate_limited for an address that does so too often."""
        caller = await self.visitor(request)
        async with self.database.lookup() as connection:
            await self.limits.take(connection, tenant=caller.tenant, charges=begin_charges(address=caller.address))
        return caller

    async def sign_in(
        self, request: ApiRequest, caller: Caller, account: int, *, way: str
    ) -> Response[OpenedSessionJson]:
        """Return the answer that begins a session of the account, which was recognised."""
        agent = self.accounts.visitor(request).agent
        own = Own(caller.tenant, account, None, caller.requester)
        begun = await self.begin_session(own, way=way, address=caller.address, agent=agent)
        async with self.database.lookup() as connection:
            await self.limits.give_back(connection, tenant=caller.tenant, charges=begin_charges(address=caller.address))
        device = self.accounts.sign_in.device_of(begun.account)
        return await self.accounts.opened(request, SignedIn(begun.account, begun.session, device))


def _short(fields: Fields, name: str) -> str | None:
    value = fields.optional_text(name)
    if value is not None and len(value) > MAX_SECRET_CHARACTERS:
        fields.wrong(name, f"At most {MAX_SECRET_CHARACTERS} characters.")
    return value


def text_schema(description: str) -> Schema:
    """Return the declaration of a text."""
    return Schema(type=OpenAPIType.STRING, description=description)


PROOF_SCHEMAS: Final[dict[str, Schema | Reference]] = {
    "password": text_schema("The account's password, to show once more who asks."),
    "totp": text_schema("Or a code of its app, or a recovery code."),
}


@dataclass
class ProofOperation(Operation):
    """An operation for which somebody shows once more who they are."""

    def __post_init__(self) -> None:
        self.request_body = json_body(PROOF_SCHEMAS)


@dataclass
class RepeatableProofOperation(ProofOperation):
    """Likewise; it makes something, and may be repeated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [IDEMPOTENCY_KEY]


@dataclass
class CodeOperation(Operation):
    """`POST /account/totp/confirm`."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"code": text_schema("Six digits of the app.")}, "code")
        self.parameters = [IDEMPOTENCY_KEY]


_CREDENTIAL: Final = Schema(
    type=OpenAPIType.OBJECT, description="What `navigator.credentials` gave, by its `toJSON()`."
)
_NAME: Final = text_schema("What its owner knows it by.")


@dataclass
class RegisterOperation(Operation):
    """`POST /account/passkeys`."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"credential": _CREDENTIAL, "name": _NAME}, "credential")
        self.parameters = [IDEMPOTENCY_KEY]


@dataclass
class AssertOperation(Operation):
    """`POST /sessions/passkey`."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"credential": _CREDENTIAL}, "credential")


@dataclass
class NameOperation(Operation):
    """`PATCH /account/passkeys/{id}`."""

    def __post_init__(self) -> None:
        self.request_body = json_body({"name": _NAME}, "name")


@dataclass
class LinkOperation(Operation):
    """`POST /account/identities/{name}`."""

    def __post_init__(self) -> None:
        where = text_schema("The path of this site where the browser ends; `/` unless it is given.")
        self.request_body = json_body({**PROOF_SCHEMAS, "return_to": where})


class OptionsJson(msgspec.Struct):
    """`publicKey` is what the browser is given, by `PublicKeyCredential.parseCreationOptionsFromJSON` and its like."""

    public_key: dict[str, Any] = msgspec.field(name="publicKey")


def options_of(text: str) -> OptionsJson:
    """Return the options that a story wrote down."""
    return OptionsJson(msgspec.json.decode(text, type=dict[str, Any]))
