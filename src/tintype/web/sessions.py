"""`/api/v1/sessions` and `/api/v1/session`: signing in and out, and one's sessions."""

from litestar import Response, Router, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.domain.account import SESSION_PREFIX
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import BadId, parse_public_id
from tintype.usecases.sign_in import SignInAttempt
from tintype.web.account_json import (
    OpenedSessionJson,
    OwnSessionJson,
    SessionListJson,
    present_own_account,
    present_session,
    session_name,
)
from tintype.web.account_openapi import SignInOperation
from tintype.web.accounts_api import AccountsApi, device_of
from tintype.web.auth import SESSION_COOKIE
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.json_body import Fields, read_json
from tintype.web.openapi import problems


@post(
    "/sessions",
    request_max_body_size=None,
    status_code=201,
    operation_id="signIn",
    operation_class=SignInOperation,
    summary="Sign in",
    description="By handle or e-mail address and password. The token is shown once; browsers get it as a cookie, too.",
    responses=problems(401, 403, 408, 413, 422, 429, 503),
)
async def sign_in(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OpenedSessionJson]:
    """Begin a session."""
    fields = Fields(await read_json(request, api.body_limits), "login", "password", "totp")
    login, password, totp = fields.text("login"), fields.text("password"), fields.optional_text("totp")
    fields.done()
    visitor = api.visitor(request)
    attempt = SignInAttempt(
        tenant=await api.authenticator.tenant_of(request.headers),
        login=login,
        password=password,
        totp=totp,
        address=visitor.address,
        agent=visitor.agent,
        noted=visitor.noted,
        device=device_of(request.headers),
    )
    return await api.opened(request, await api.sign_in(attempt))


@get("/session", operation_id="getSession", summary="Look at your session", responses=problems(401, 403, 503))
async def get_session(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[OwnSessionJson]:
    """Return the session that asks, with what its pages send as `X-CSRF-Token`."""
    own = await api.own(request)
    if own.session is None:
        raise Problem(Code.AUTH_FORBIDDEN, "This is an API key, and no session. The account shows whose it is.")
    account, session = await api.accounts.of_session(own.tenant, own.account, own.session)
    shown = OwnSessionJson(
        id=session_name(session.id),
        csrf_token=api.authenticator.csrf_token(session.id),
        account=present_own_account(account, await api.pictures(request, account)),
        expires_at=utc_time(session.expires_at),
    )
    return Response(shown, headers=UNSHARED)


@delete(
    "/session",
    status_code=204,
    operation_id="signOut",
    summary="Sign out",
    response_cookies=[Cookie(key=SESSION_COOKIE, value="", path="/", max_age=0, httponly=True)],  # browsers forget it
    responses=problems(401, 403, 503),
)
async def sign_out(request: ApiRequest, api: NamedDependency[AccountsApi]) -> None:
    """End the session that asks."""
    own = await api.own(request)
    if own.session is not None:
        await api.end_sessions.one(own.tenant, account=own.account, session=own.session, by=api.by(request, own))


@get("/sessions", operation_id="listSessions", summary="List your sessions", responses=problems(401, 403, 503))
async def list_sessions(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[SessionListJson]:
    """Return every session of the account, newest first."""
    own = await api.own(request)
    sessions = await api.accounts.sessions(own.tenant, own.account)
    items = [present_session(session, current=own.session) for session in sessions]
    return Response(SessionListJson(items, None), headers=UNSHARED)


@delete(
    "/sessions",
    status_code=204,
    operation_id="endOtherSessions",
    summary="Sign out everywhere else",
    responses=problems(401, 403, 503),
)
async def end_other_sessions(request: ApiRequest, api: NamedDependency[AccountsApi]) -> None:
    """End every session of the account but the one that asks."""
    own = await api.own(request)
    await api.end_sessions.others(own.tenant, account=own.account, but=own.session, by=api.by(request, own))


@delete(
    "/sessions/{session_id:str}",
    status_code=204,
    operation_id="endSession",
    summary="End one of your sessions",
    responses=problems(401, 403, 404, 503),
)
async def end_session(request: ApiRequest, api: NamedDependency[AccountsApi], session_id: FromPath[str]) -> None:
    """End a session; one that is somebody else's is not there."""
    own = await api.own(request)
    try:
        session = parse_public_id(SESSION_PREFIX, session_id)
    except BadId:
        session = None
    by = api.by(request, own)
    if session is None or not await api.end_sessions.one(own.tenant, account=own.account, session=session, by=by):
        raise Problem(Code.NOT_FOUND, "You have no such session.")


def session_routes(api: AccountsApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[sign_in, get_session, sign_out, list_sessions, end_other_sessions, end_session],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Accounts"],
    )
