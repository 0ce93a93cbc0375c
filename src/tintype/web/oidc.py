"""Signing in elsewhere, over HTTP: `GET /sessions/oidc/{name}` goes there, its callback comes back.

A cookie binds the two: it is the browser's alone, lasts as long as the sign-in may take, and is sent nowhere else.
Linking begins with a POST, which another site cannot make a browser send for somebody.
"""

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from tintype.db.identities import Identity
from tintype.domain.errors import Code, Problem
from tintype.domain.oidc import is_own_path
from tintype.usecases.sign_in_elsewhere import LIFETIME, Departure, Return
from tintype.web.factors_api import FactorsApi, LinkOperation, ProofOperation
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.openapi import problems

COOKIE: Final = "tintype_oidc"
PATH: Final = "/api/v1/sessions/oidc"

MAX_CODE_CHARACTERS: Final = 4_096


class ProviderJson(msgspec.Struct):
    """A provider to sign in with: `url` is where a browser is sent."""

    name: str
    url: str


class ProviderListJson(msgspec.Struct):
    """Every provider, by name."""

    items: list[ProviderJson]


class IdentityJson(msgspec.Struct):
    """An account elsewhere that is linked to one's own."""

    provider: str
    issuer: str
    created_at: str
    used_at: str


class IdentityListJson(msgspec.Struct):
    """Every account elsewhere that is linked."""

    items: list[IdentityJson]


class DepartureJson(msgspec.Struct):
    """Where to send the browser."""

    url: str


@get(
    "/sessions/oidc",
    operation_id="listProviders",
    summary="Where one can sign in elsewhere",
    responses=problems(401, 403, 503),
)
async def list_providers(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[ProviderListJson]:
    """Return every provider."""
    base_url = api.base_url(request)
    items = [ProviderJson(name, f"{base_url}{PATH}/{name}") for name in api.sign_in_elsewhere.names]
    return Response(ProviderListJson(items), headers=UNSHARED)


@get(
    "/sessions/oidc/{provider:str}",
    status_code=302,
    operation_id="signInElsewhere",
    summary="Go to a provider to sign in",
    description="For a browser: the answer is a redirect to the provider, which sends it back.",
    responses=problems(401, 403, 404, 429, 503),
)
async def sign_in_elsewhere(
    request: ApiRequest,
    api: NamedDependency[FactorsApi],
    provider: FromPath[str],
    return_to: Annotated[str, QueryParameter(description="The path of this site where the browser ends.")] = "/",
) -> Response[Any]:
    """Redirect to the provider."""
    caller = await api.admit(request)
    departure = await api.sign_in_elsewhere.depart(
        provider,
        tenant=caller.tenant,
        redirect_uri=_redirect_uri(request, api, provider),
        return_to=_own_path(return_to),
    )
    return _redirect(departure.url, _cookie(request, api, departure))


@get(
    "/sessions/oidc/{provider:str}/callback",
    status_code=303,
    operation_id="returnFromElsewhere",
    summary="Come back from a provider",
    description="The provider sends the browser here. It is signed in by a cookie, and redirected to where it was.",
    responses=problems(401, 403, 404, 409, 429, 503),
)
async def return_from_elsewhere(
    request: ApiRequest,
    api: NamedDependency[FactorsApi],
    provider: FromPath[str],
    came_state: Annotated[str, QueryParameter(name="state", description="What was sent along.")] = "",
    code: Annotated[str | None, QueryParameter(description="What the ID token is fetched with.")] = None,
) -> Response[Any]:
    """Sign the browser in, or link the account."""
    caller = await api.visitor(request)
    came = Return(came_state, _bounded(code), request.cookies.get(COOKIE, ""))
    arrival = await api.sign_in_elsewhere.arrive(
        provider, came, tenant=caller.tenant, redirect_uri=_redirect_uri(request, api, provider), by=caller.requester
    )
    answer = _redirect(arrival.return_to, _over(request, api), status=303)
    if not arrival.linked:
        opened = await api.sign_in(request, caller, arrival.account, way=provider)
        answer.cookies += opened.cookies
    return answer


@get(
    "/account/identities",
    operation_id="listIdentities",
    summary="List the accounts elsewhere that are linked",
    responses=problems(401, 403, 503),
)
async def list_identities(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[IdentityListJson]:
    """Return them all; there are few."""
    found = await api.sign_in_elsewhere.links(await api.own(request))
    return Response(IdentityListJson([_present(identity) for identity in found]), headers=UNSHARED)


@post(
    "/account/identities/{provider:str}",
    request_max_body_size=None,
    status_code=200,
    operation_id="linkIdentity",
    operation_class=LinkOperation,
    summary="Begin to link an account elsewhere",
    description="Send the browser to the `url` of the answer, which sets a cookie. It comes back linked.",
    responses=problems(401, 403, 404, 408, 413, 422, 429, 503),
)
async def link_identity(
    request: ApiRequest, api: NamedDependency[FactorsApi], provider: FromPath[str]
) -> Response[DepartureJson]:
    """Return where to send the browser."""
    own, _, fields = await api.proved(request, "return_to")
    return_to = _own_path(fields.text("return_to") if "return_to" in fields else "/")
    fields.done()
    departure = await api.sign_in_elsewhere.depart(
        provider,
        tenant=own.tenant,
        redirect_uri=_redirect_uri(request, api, provider),
        return_to=return_to,
        own=own,
    )
    return Response(DepartureJson(departure.url), headers=UNSHARED, cookies=[_cookie(request, api, departure)])


@delete(
    "/account/identities/{provider:str}",
    request_max_body_size=None,
    status_code=204,
    operation_id="unlinkIdentity",
    operation_class=ProofOperation,
    summary="Unlink an account elsewhere",
    responses=problems(401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def unlink_identity(request: ApiRequest, api: NamedDependency[FactorsApi], provider: FromPath[str]) -> None:
    """Forget it, unless nothing else would let its owner in."""
    own, factors, _ = await api.proved(request)
    if factors.identities:
        factors.refuse_to_lose(identities=1)
    await api.sign_in_elsewhere.unlink(own, provider)


def _redirect_uri(request: ApiRequest, api: FactorsApi, name: str) -> str:
    return f"{api.base_url(request)}{PATH}/{quote(name, safe='')}/callback"


def _own_path(text: str) -> str:
    if not is_own_path(text):
        raise Problem(Code.REQUEST_UNREADABLE, "return_to is no path of this site. Send one that begins with a slash.")
    return text


def _bounded(code: str | None) -> str | None:
    return code if code is not None and 0 < len(code) <= MAX_CODE_CHARACTERS else None


def _cookie(request: ApiRequest, api: FactorsApi, departure: Departure) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=departure.browser_secret,
        path=PATH,
        max_age=int(LIFETIME.total_seconds()),
        secure=api.base_url(request).startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def _over(request: ApiRequest, api: FactorsApi) -> Cookie:
    """Return the cookie that has the browser forget the other."""
    secure = api.base_url(request).startswith("https:")
    return Cookie(key=COOKIE, value="", path=PATH, max_age=0, secure=secure, httponly=True, samesite="lax")


def _redirect(location: str, *cookies: Cookie, status: int = 302) -> Response[Any]:
    headers = {"location": location, **UNSHARED, "referrer-policy": "no-referrer"}
    return Response(b"", status_code=status, headers=headers, media_type="text/plain", cookies=cookies)


def _present(identity: Identity) -> IdentityJson:
    return IdentityJson(identity.provider, identity.issuer, utc_time(identity.created_at), utc_time(identity.used_at))


OIDC = (*(list_providers, sign_in_elsewhere, return_from_elsewhere, list_identities, link_identity, unlink_identity),)
