"""`/api/v1/account/totp`: the authenticator app of one's own account, and its recovery codes."""

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency

from tintype.web.factors_api import CodeOperation, FactorsApi, ProofOperation, RepeatableProofOperation
from tintype.web.idempotency import replayed, secret_attempt_of
from tintype.web.images_api import UNSHARED, ApiRequest
from tintype.web.openapi import problems


class TotpJson(msgspec.Struct):
    """Whether codes of an app are asked for at sign-in, and how many recovery codes are left."""

    on: bool
    recovery_codes: int


class EnrolmentJson(msgspec.Struct):
    """What an authenticator app is set up with: `uri` as a QR code, or `secret` to type. Never shown again."""

    secret: str
    uri: str


class RecoveryCodesJson(msgspec.Struct):
    """Codes that stand in for the app, each once. Never shown again."""

    recovery_codes: list[str]


@get(
    "/account/totp",
    operation_id="getTotp",
    summary="Whether an authenticator app is set up",
    responses=problems(401, 403, 503),
)
async def get_totp(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[TotpJson]:
    """Return how the account stands."""
    own = await api.own(request)
    status = await api.second_factor.status(own)
    return Response(TotpJson(status.on, status.recovery_codes), headers=UNSHARED)


@post(
    "/account/totp",
    request_max_body_size=None,
    status_code=201,
    operation_id="beginTotp",
    operation_class=RepeatableProofOperation,
    summary="Begin to set an authenticator app up",
    description="Nothing is asked for at sign-in before a code confirmed that the app works.",
    responses=problems(401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def begin_totp(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[EnrolmentJson]:
    """Return what the app is set up with."""
    own, factors, _ = await api.proved(request)
    host = api.site(request).host or "Tintype"
    repeatable = secret_attempt_of(request.headers, own, "POST /account/totp")
    issuer = host.replace(":", ".")
    enrolment = await api.second_factor.begin(own, name=factors.handle, issuer=issuer, repeatable=repeatable)
    headers = {**UNSHARED, **replayed(again=enrolment.again)}
    return Response(EnrolmentJson(enrolment.secret, enrolment.uri), headers=headers)


@post(
    "/account/totp/confirm",
    request_max_body_size=None,
    status_code=200,
    operation_id="confirmTotp",
    operation_class=CodeOperation,
    summary="Confirm the app with a code of it",
    description="From now on a code is asked for at each sign-in. The answer has the recovery codes, this once.",
    responses=problems(401, 403, 408, 409, 413, 422, 429, 503),
)
async def confirm_totp(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[RecoveryCodesJson]:
    """Have the app count, and return the recovery codes."""
    own, fields = await api.own(request), await api.fields(request, "code")
    code = fields.text("code")
    fields.done()
    repeatable = secret_attempt_of(request.headers, own, "POST /account/totp/confirm", {"code": code})
    made = await api.second_factor.confirm(own, code, repeatable)
    return Response(RecoveryCodesJson(made.codes), headers={**UNSHARED, **replayed(again=made.again)})


@post(
    "/account/totp/recovery-codes",
    request_max_body_size=None,
    status_code=201,
    operation_id="remakeRecoveryCodes",
    operation_class=RepeatableProofOperation,
    summary="Make new recovery codes",
    description="Those of before count no more.",
    responses=problems(401, 403, 404, 408, 409, 413, 422, 429, 503),
)
async def remake_recovery_codes(request: ApiRequest, api: NamedDependency[FactorsApi]) -> Response[RecoveryCodesJson]:
    """Return new codes."""
    own, _, _ = await api.proved(request)
    repeatable = secret_attempt_of(request.headers, own, "POST /account/totp/recovery-codes")
    made = await api.second_factor.remake_codes(own, repeatable)
    return Response(RecoveryCodesJson(made.codes), headers={**UNSHARED, **replayed(again=made.again)})


@delete(
    "/account/totp",
    request_max_body_size=None,
    status_code=204,
    operation_id="turnTotpOff",
    operation_class=ProofOperation,
    summary="Turn the authenticator app off",
    description="Needs the password or a code in the body. The recovery codes go with the app.",
    responses=problems(401, 403, 404, 408, 413, 422, 429, 503),
)
async def turn_totp_off(
    request: ApiRequest,
    api: NamedDependency[FactorsApi],
) -> None:
    """Forget the app."""
    own, _, _ = await api.proved(request)
    await api.second_factor.turn_off(own)


TOTP = (get_totp, begin_totp, confirm_totp, remake_recovery_codes, turn_totp_off)
