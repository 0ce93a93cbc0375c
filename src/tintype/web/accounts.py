"""`/api/v1/accounts`: signing up, looking at each other, and what moderators and operators decide."""

from dataclasses import replace
from typing import Annotated, Any

from litestar import Response, Router, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.domain.account import AccountState, Decision
from tintype.domain.actor import Role, Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, BadId, parse_public_id, public_id
from tintype.usecases.sign_in import SignedIn
from tintype.usecases.sign_up import NewAccount
from tintype.web.account_fields import email_of, handle_of, password_of, profile_of
from tintype.web.account_json import (
    NO_PICTURES,
    AccountJson,
    AccountListJson,
    OpenedSessionJson,
    OwnAccountJson,
    present_account,
    present_own_account,
)
from tintype.web.account_openapi import DecideOperation, ProfileOperation, SetUpOperation, SignUpOperation
from tintype.web.accounts_api import AccountsApi, account_headers
from tintype.web.auth import Caller
from tintype.web.conditional import parse_if_match
from tintype.web.idempotency import attempt_of, replayed
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.json_body import Fields, read_json
from tintype.web.openapi import problems


def _new_account(fields: Fields) -> NewAccount:
    handle, email = handle_of(fields), email_of(fields)
    password = password_of(fields, about=(handle, email.normal))
    fields.done()
    return NewAccount(handle, email, password)


@post(
    "/accounts",
    request_max_body_size=None,
    status_code=201,
    operation_id="signUp",
    operation_class=SignUpOperation,
    summary="Sign up",
    description="The address is yours once you opened the link that it is sent.",
    responses=problems(403, 408, 409, 413, 422, 429, 503),
)
async def sign_up(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OwnAccountJson]:
    """Make an account."""
    if not api.sign_up_open:
        raise Problem(Code.AUTH_FORBIDDEN, "Sign-up is closed here. Ask the operator for an account.")
    wanted = _new_account(Fields(await read_json(request, api.body_limits), "handle", "email", "password"))
    visitor, tenant = api.visitor(request), await api.authenticator.tenant_of(request.headers)
    said = {"handle": wanted.handle, "email": wanted.email.given}
    attempt = attempt_of(request.headers, Caller(tenant, None, visitor.address), "POST /accounts", said)
    made = await api.sign_up(wanted, tenant=tenant, visitor=visitor, attempt=attempt)
    headers = {**account_headers(made.account), **replayed(again=made.again)}
    return Response(present_own_account(made.account, NO_PICTURES), status_code=201, headers=headers)


@post(
    "/setup",
    request_max_body_size=None,
    status_code=201,
    operation_id="setUp",
    operation_class=SetUpOperation,
    summary="Make the first operator",
    description="With the token of the one-time link that `tintype serve` prints on an empty database.",
    responses=problems(408, 409, 413, 422, 429, 503),
)
async def set_up(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OpenedSessionJson]:
    """Make an operator, and sign them in."""
    fields = Fields(await read_json(request, api.body_limits), "token", "handle", "email", "password")
    token = fields.text("token")
    wanted = _new_account(fields)
    account, session = await api.sign_up.set_up(token, wanted, visitor=api.visitor(request))
    return await api.opened(request, SignedIn(account, session, api.sign_in.device_of(account)))


@get(
    "/accounts/{account:str}",
    operation_id="getAccount",
    summary="Look at somebody's profile",
    description="By handle, or by id.",
    responses=problems(401, 403, 404, 503),
)
async def get_account(
    request: ApiRequest, api: NamedDependency[AccountsApi], account: FromPath[str]
) -> Response[AccountJson]:
    """Return what everybody may see; who decides about accounts sees the rest as well."""
    caller = await api.caller(request)
    found = await api.accounts.find(caller.tenant, account)
    decides = caller.actor is not None and caller.actor.may(Scope.ACCOUNTS, tenant=caller.tenant, owner=None)
    if found is None or not (decides or found.state is AccountState.ACTIVE):
        raise Problem(Code.NOT_FOUND, "There is nobody of this name.")
    pictures = await api.pictures(request, found)
    shown = present_own_account(found, pictures) if decides else present_account(found, pictures)
    return Response(shown, headers=UNSHARED)


@get("/accounts", operation_id="listAccounts", summary="List accounts", responses=problems(401, 403, 503))
async def list_accounts(
    request: ApiRequest,
    api: NamedDependency[AccountsApi],
    *,
    only: Annotated[AccountState | None, QueryParameter(name="state", description="Only these.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many, from 1 to 100.")] = 30,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[AccountListJson]:
    """Return a page of the tenant's accounts, newest first, to whoever decides about them."""
    actor = (await api.caller(request)).actor
    if actor is None:
        raise Problem(Code.AUTH_REQUIRED, "The list is for moderators and operators. Sign in.")
    actor.need_all(Scope.ACCOUNTS)
    states = (only,) if only is not None else (AccountState.ACTIVE, AccountState.SUSPENDED)
    page = await api.accounts.page(actor.tenant, states=states, before=_before(cursor), limit=limit)
    more = page[limit - 1].id if len(page) > limit else None
    pictures = await api.pictures(request, *page[:limit])
    items = [present_own_account(account, pictures) for account in page[:limit]]
    following = public_id(ACCOUNT_PREFIX, more) if more is not None else None
    return Response(AccountListJson(items, following), headers=UNSHARED)


def _before(cursor: str | None) -> int | None:
    try:
        return parse_public_id(ACCOUNT_PREFIX, cursor) if cursor is not None else None
    except BadId as error:
        raise Problem(Code.REQUEST_UNREADABLE, "This cursor is none of ours. Begin without one.") from error


@patch(
    "/accounts/{account:str}",
    request_max_body_size=None,
    status_code=200,
    operation_id="decideAboutAccount",
    operation_class=DecideOperation,
    summary="Suspend, restore, or give a role",
    description="For moderators (members' state) and operators (everybody's, and roles).",
    responses=problems(401, 403, 404, 408, 409, 412, 413, 422, 503),
)
async def decide_about_account(
    request: ApiRequest, api: NamedDependency[AccountsApi], account: FromPath[str]
) -> Response[OwnAccountJson]:
    """Decide about somebody's account: it holds from the next request on."""
    caller = await api.caller(request)
    if caller.actor is None:
        raise Problem(Code.AUTH_REQUIRED, "Sign in as a moderator or operator.")
    caller.actor.need_all(Scope.ACCOUNTS)
    fields = Fields(await read_json(request, api.body_limits), "state", "reason", "role")
    decision = _decision(fields)
    found = await api.accounts.find(caller.tenant, account)
    if found is None or found.state is AccountState.DELETED:
        raise Problem(Code.NOT_FOUND, "There is nobody of this name.")
    expected = parse_if_match(request.headers.get("if-match"))
    decided = await api.change_account.decide(caller.tenant, decision, found.id, by=caller.requester, expected=expected)
    shown = present_own_account(decided, await api.pictures(request, decided))
    return Response(shown, headers=account_headers(decided))


def _decision(fields: Fields) -> Decision:
    state, role, reason = (fields.optional_text(name) for name in ("state", "role", "reason"))
    if state not in {None, AccountState.ACTIVE, AccountState.SUSPENDED}:
        fields.wrong("state", "Either active or suspended.")
    if role is not None and role not in set(Role):
        fields.wrong("role", f"One of {', '.join(Role)}.")
    if reason is not None and len(reason) > 500:
        fields.wrong("reason", "At most 500 characters.")
    if state is None and role is None:
        fields.wrong("state", "Name a state or a role.")
    fields.done()
    return Decision(AccountState(state) if state else None, reason, Role(role) if role else None)


@get("/account", operation_id="getOwnAccount", summary="Look at your account", responses=problems(401, 403, 503))
async def get_own_account(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OwnAccountJson]:
    """Return the account that asks."""
    own = await api.own(request)
    account = await api.accounts.own(own.tenant, own.account)
    shown = present_own_account(account, await api.pictures(request, account))
    return Response(shown, headers=account_headers(account))


@patch(
    "/account",
    request_max_body_size=None,
    status_code=200,
    operation_id="changeOwnAccount",
    operation_class=ProfileOperation,
    summary="Change your profile",
    description="A JSON merge patch: fields that are not named stay, null clears.",
    responses=problems(401, 403, 408, 409, 412, 413, 422, 503),
)
async def change_own_account(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OwnAccountJson]:
    """Change what the account says of itself."""
    own = await api.own(request)
    fields = Fields(await read_json(request, api.body_limits), "handle", "name", "bio", "links", "private")
    changes: dict[str, Any] = profile_of(fields)
    fields.done()
    expected = parse_if_match(request.headers.get("if-match"))
    account = await api.change_account.profile(
        own.tenant, own.account, lambda account: replace(account, **changes), by=api.by(request, own), expected=expected
    )
    shown = present_own_account(account, await api.pictures(request, account))
    return Response(shown, headers=account_headers(account))


def account_routes(api: AccountsApi) -> Router:
    """Return the routes of the resource."""
    handlers: list[Any] = [sign_up, set_up, get_account, list_accounts, decide_about_account]
    return Router(
        path="/api/v1",
        route_handlers=[*handlers, get_own_account, change_own_account],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Accounts"],
    )
