"""/v1/auth/totp and /v1/auth/login/totp: the second factor."""

from typing import Any, TypeVar

from litestar import Request, Response, post
from litestar.di import NamedDependency

from delta_server.core.caller import Caller
from delta_server.features.users import cookie_api, second_factor, service
from delta_server.features.users.schemas import (
    CodeLogin,
    Enrolment,
    GivenCode,
    OwnPassword,
    PasswordAndCode,
    RecoveryCodes,
    Tokens,
)
from delta_server.http.docs import example
from delta_server.http.parameters import JSONBody
from delta_server.services import Services

T = TypeVar("T")
_TAGS = ["People"]
_PASSWORD = {"password": "correct horse battery"}
_CODE = {"code": "492039"}
_RECOVERY = {"recovery_codes": ["kq2v7d-mzx4pa-3ouy6c-twb5re", "f6yqna-2xk7hd-lvgm4s-pj3uoi"]}
_ENROLMENT = {
    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/Delta:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Delta",
}


@post(
    "/v1/auth/login/totp",
    summary="Sign in with a code of the second factor",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"mfa_token": "dm_01890a5dac96774bbcceb302099a8057_19df...", **_CODE},
        answer={
            "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "dr_5d41402abc4b2a76b9719d911017c592...",
            "user": {
                "id": "01890a5d-ac96-774b-bcce-b302099a8057",
                "email": "ada@example.com",
                "name": "Ada",
                "role": "owner",
                "created_at": "2026-05-01T12:00:00.000Z",
            },
        },
    ),
)
async def login(
    request: Request[Any, Any, Any], data: JSONBody[CodeLogin], services: NamedDependency[Services]
) -> Response[Tokens]:
    """`code` is the app's, valid once, or a recovery code. After five wrong ones each next try waits, as with
    passwords."""
    cookie_api.refuse_login_by_others(request, in_cookie=data.cookie)
    tokens = await second_factor.login(services, data.mfa_token, data.code, cookie_api.client(request))
    return cookie_api.answer(request, services, tokens, in_cookie=data.cookie)


@post(
    "/v1/auth/totp",
    summary="Begin a second factor",
    tags=_TAGS,
    status_code=200,
    opt=example(request=_PASSWORD, answer=_ENROLMENT),
)
async def enrol(
    data: JSONBody[OwnPassword], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[Enrolment]:
    """A secret for an authenticator app. It counts once a code of it is confirmed; until then another call gives
    another one."""
    return _secret(await second_factor.enrol(services, service.me(services, caller), data.password))


@post(
    "/v1/auth/totp/confirm",
    summary="Confirm the second factor, and get recovery codes",
    tags=_TAGS,
    status_code=200,
    opt=example(request=_CODE, answer=_RECOVERY),
)
async def confirm(
    data: JSONBody[GivenCode], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[RecoveryCodes]:
    """From now on logins want a code. Recovery codes take its place once each; they are stored as hashes and shown this
    once."""
    return _secret(await second_factor.confirm(services, service.me(services, caller), data.code))


@post(
    "/v1/auth/totp/recovery-codes",
    summary="Get other recovery codes",
    tags=_TAGS,
    status_code=200,
    opt=example(request=_PASSWORD | _CODE, answer=_RECOVERY),
)
async def renew_recovery_codes(
    data: JSONBody[PasswordAndCode], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[RecoveryCodes]:
    """The old ones count for nothing any more."""
    user = service.me(services, caller)
    return _secret(await second_factor.renew_recovery_codes(services, user, data.password, data.code))


@post(
    "/v1/auth/totp/disable",
    summary="End the second factor",
    tags=_TAGS,
    status_code=204,
    opt=example(request=_PASSWORD | _CODE, answer=None),
)
async def disable(
    data: JSONBody[PasswordAndCode], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    """Wants the password and a code, the app's or a recovery code."""
    await second_factor.disable(services, service.me(services, caller), data.password, data.code)


def _secret(answer: T) -> Response[T]:
    return Response(answer, headers={"cache-control": "no-store"})


ROUTES = [login, enrol, confirm, renew_recovery_codes, disable]
