"""`/api/v1/account/passkeys`: the passkeys of one's own account."""

from typing import Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from tintype.domain.errors import Code, Problem
from tintype.domain.ids import BadId
from tintype.domain.passkey import MAX_NAME_CHARACTERS, Passkey, parse_passkey_id
from tintype.web.account_json import OpenedSessionJson
from tintype.web.factors_api import (
    AssertOperation,
    FactorsApi,
    NameOperation,
    OptionsJson,
    ProofOperation,
    RegisterOperation,
    options_of,
)
from tintype.web.idempotency import attempt_of, replayed
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.json_body import Fields
from tintype.web.openapi import problems


class PasskeyJson(msgspec.Struct, kw_only=True):
    """A passkey. `backed_up`: it is kept elsewhere than in one device, too."""

    id: str
    name: str
    transports: tuple[str, ...]
    backed_up: bool
    created_at: str
    used_at: str | None


class PasskeyListJson(msgspec.Struct):
    """Every passkey of the account, newest first."""

    items: list[PasskeyJson]


def present_passkey(passkey: Passkey) -> PasskeyJson:
    """Return the passkey's JSON."""
    return PasskeyJson(
        id=passkey.public_id,
        name=passkey.name,
        transports=passkey.transports,
        backed_up=passkey.backed_up,
        created_at=utc_time(passkey.created_at),
        used_at=utc_time(passkey.used_at) if passkey.used_at else None,
    )


@get(
    "/account/passkeys",
    operation_id="listPasskeys",
    summary="List one's own passkeys",
    responses=problems(401, 403, 503),
)
async def list_passkeys(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[PasskeyListJson]:
    """Return them all; there are few."""
    own = await api.own(request)
    found = await api.passkeys.of_account(own)
    return Response(PasskeyListJson([present_passkey(passkey) for passkey in found]), headers=UNSHARED)


@post(
    "/account/passkeys/options",
    request_max_body_size=None,
    status_code=200,
    operation_id="passkeyOptions",
    operation_class=ProofOperation,
    summary="Begin to register a passkey",
    responses=problems(401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def passkey_options(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[OptionsJson]:
    """Return what the browser is asked with; it has five minutes."""
    own, factors, _ = await api.proved(request)
    options = await api.passkeys.registration_options(api.site(request), own, handle=factors.handle)
    return Response(options_of(options), headers=UNSHARED)


@post(
    "/account/passkeys",
    request_max_body_size=None,
    status_code=201,
    operation_id="createPasskey",
    operation_class=RegisterOperation,
    summary="Register a passkey",
    responses=problems(401, 403, 408, 409, 413, 422, 503),
)
async def create_passkey(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[PasskeyJson]:
    """Return the passkey that the browser made."""
    own, fields = await api.own(request), await api.fields(request, "credential", "name")
    credential, name = _credential(fields), _name(fields) if "name" in fields else "Passkey"
    fields.done()
    attempt = attempt_of(request.headers, own, "POST /account/passkeys", {"credential": credential, "name": name})
    made = await api.passkeys.register(api.site(request), own, credential, name=name, attempt=attempt)
    return Response(present_passkey(made.passkey), headers={**UNSHARED, **replayed(again=made.again)})


@patch(
    "/account/passkeys/{passkey_id:str}",
    request_max_body_size=None,
    operation_id="renamePasskey",
    operation_class=NameOperation,
    summary="Rename a passkey",
    responses=problems(401, 403, 404, 408, 413, 422, 503),
)
async def rename_passkey(
    request: ApiRequest, api: NamedDependency[FactorsApi], passkey_id: FromPath[str]
) -> Response[PasskeyJson]:
    """Return the passkey under its new name."""
    own, fields = await api.own(request), await api.fields(request, "name")
    name = _name(fields)
    fields.done()
    passkey = await api.passkeys.rename(own, _id(passkey_id), name)
    return Response(present_passkey(passkey), headers=UNSHARED)


@delete(
    "/account/passkeys/{passkey_id:str}",
    request_max_body_size=None,
    status_code=204,
    operation_id="deletePasskey",
    operation_class=ProofOperation,
    summary="Delete a passkey",
    description="Needs the password or a code in the body, where the account has one.",
    responses=problems(401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def delete_passkey(request: ApiRequest, api: NamedDependency[FactorsApi], passkey_id: FromPath[str]) -> None:
    """Forget the passkey."""
    own, factors, _ = await api.proved(request)
    if factors.passkeys:
        factors.refuse_to_lose(passkeys=1)
    await api.passkeys.delete(own, _id(passkey_id))


def _id(text: str) -> int:
    try:
        return parse_passkey_id(text)
    except BadId as error:
        raise Problem(Code.NOT_FOUND, "There is no such passkey in your account.") from error


def _name(fields: Fields) -> str:
    name = fields.text("name").strip()
    if len(name) > MAX_NAME_CHARACTERS or (not name and not fields.errors):
        fields.wrong("name", f"A name of 1 to {MAX_NAME_CHARACTERS} characters.")
    return name


def _credential(fields: Fields) -> dict[str, Any]:
    given = fields.given.get("credential")
    if isinstance(given, dict):
        return given
    fields.wrong("credential", "What `navigator.credentials` gave, by its `toJSON()`.")
    return {}


@post(
    "/sessions/passkey/options",
    request_max_body_size=None,
    status_code=200,
    operation_id="passkeySignInOptions",
    summary="Begin to sign in with a passkey",
    responses=problems(401, 403, 429, 503),
)
async def sign_in_options(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[OptionsJson]:
    """Return what the browser is asked with; it has five minutes."""
    caller = await api.admit(request)
    options = await api.passkeys.sign_in_options(api.site(request), tenant=caller.tenant)
    return Response(options_of(options), headers=UNSHARED)


@post(
    "/sessions/passkey",
    request_max_body_size=None,
    status_code=201,
    operation_id="signInWithPasskey",
    operation_class=AssertOperation,
    summary="Sign in with a passkey",
    description="Without a name: the passkey says whose it is. No code of an app is asked for.",
    responses=problems(401, 403, 408, 413, 422, 429, 503),
)
async def sign_in_with_passkey(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[OpenedSessionJson]:
    """Begin a session."""
    fields = await api.fields(request, "credential")
    credential = _credential(fields)
    fields.done()
    caller = await api.admit(request)
    account = await api.passkeys.recognise(api.site(request), credential, tenant=caller.tenant)
    return await api.sign_in(request, caller, account, way="passkey")


PASSKEYS = (
    *(list_passkeys, passkey_options, create_passkey, rename_passkey, delete_passkey),
    *(sign_in_options, sign_in_with_passkey),
)
