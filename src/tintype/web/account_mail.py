"""`/api/v1/account/{verify-email,password,password-reset}`: what the account's mail, and its password, can change."""

from typing import Any, Final

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency, Provide

from tintype.usecases.change_password import OldPassword
from tintype.web.account_fields import email_of, password_of
from tintype.web.account_openapi import ChangePasswordOperation, ResetPasswordOperation, VerifyEmailOperation
from tintype.web.accounts_api import AccountsApi
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.json_body import Fields, read_json
from tintype.web.openapi import problems

_ON_ITS_WAY: Final = "If there is such an account, a mail is on its way."


class ToldJson(msgspec.Struct):
    """What happens now, for people to read."""

    detail: str


@post(
    "/account/verify-email",
    request_max_body_size=None,
    status_code=202,
    operation_id="verifyEmail",
    operation_class=VerifyEmailOperation,
    summary="Confirm your e-mail address, or have the link sent again",
    description="With the `token` of a link: 204. Signed in, without: the link is sent (again); with `email` and "
    "`current_password`, to the address that you are to have.",
    responses=problems(401, 403, 408, 409, 413, 422, 429, 503),
)
async def verify_email(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[Any]:
    """Take a link, or send one."""
    fields = Fields(await read_json(request, api.body_limits), "token", "email", "current_password")
    visitor = api.visitor(request)
    if "token" in fields:
        token = fields.text("token")
        fields.done()
        await api.verify_email.use(token, address=visitor.address, by=api.requester(request))
        return _done()
    own = await api.own(request)
    email = email_of(fields) if "email" in fields else None
    password = fields.text("current_password") if email is not None else ""
    fields.done()
    if email is not None:
        shown = OldPassword(own.tenant, own.account, own.session, password)
        await api.change_password.confirm(shown, address=visitor.address)
    await api.verify_email.ask(own.tenant, own.account, email, address=visitor.address)
    return Response(ToldJson("A mail is on its way."), status_code=202, headers=UNSHARED)


@post(
    "/account/password",
    request_max_body_size=None,
    status_code=204,
    operation_id="changePassword",
    operation_class=ChangePasswordOperation,
    summary="Change your password",
    description="Every other session ends.",
    responses=problems(401, 403, 408, 409, 413, 422, 429, 503),
)
async def change_password(request: ApiRequest, api: NamedDependency[AccountsApi]) -> None:
    """Change the password of who knows it."""
    own = await api.own(request)
    account = await api.accounts.own(own.tenant, own.account)
    fields = Fields(await read_json(request, api.body_limits), "current_password", "password")
    current = fields.text("current_password")
    password = password_of(fields, about=(account.handle, account.email))
    fields.done()
    visitor = api.visitor(request)
    old = OldPassword(own.tenant, own.account, own.session, current)
    await api.change_password.confirm(old, address=visitor.address)
    await api.change_password(old, password, by=api.by(request, own))


@post(
    "/account/password-reset",
    request_max_body_size=None,
    status_code=202,
    operation_id="resetPassword",
    operation_class=ResetPasswordOperation,
    summary="Choose a new password by mail",
    description="With `email`: 202, whether there is such an account or not. With `token` and `password`: 204; every "
    "session ends.",
    responses=problems(408, 413, 422, 429, 503),
)
async def reset_password(request: ApiRequest, api: NamedDependency[AccountsApi]) -> Response[Any]:
    """Send a link, or take one."""
    fields = Fields(await read_json(request, api.body_limits), "email", "token", "password")
    visitor = api.visitor(request)
    if "token" not in fields:
        email = email_of(fields)
        fields.done()
        tenant = await api.authenticator.tenant_of(request.headers)
        await api.change_password.ask(tenant, email, address=visitor.address, noted=visitor.noted)
        return Response(ToldJson(_ON_ITS_WAY), status_code=202, headers=UNSHARED)
    token = fields.text("token")
    fields.done()
    account = await api.change_password.account_of_link(token, address=visitor.address)
    password = password_of(fields, about=(account.handle, account.email))
    fields.done()
    await api.change_password.use(token, account, password, by=api.requester(request))
    return _done()


def _done() -> Response[Any]:
    return Response(b"", status_code=204, headers=UNSHARED)


def account_mail_routes(api: AccountsApi) -> Router:
    """Return the routes."""
    return Router(
        path="/api/v1",
        route_handlers=[verify_email, change_password, reset_password],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Accounts"],
    )
