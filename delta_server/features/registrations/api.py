"""/v1/auth/register and confirm-email: making an account of one's own."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency

from delta_server.features.registrations import service
from delta_server.features.registrations.schemas import Confirmation, Confirmed, Registered, Registration
from delta_server.http.docs import example
from delta_server.http.parameters import JSONBody
from delta_server.services import Services

_TAGS = ["People"]


@post(
    "/v1/auth/register",
    summary="Make an account",
    tags=_TAGS,
    status_code=202,
    opt=example(
        request={"email": "bo@example.com", "password": "correct horse battery", "name": "Bo"},
        answer={"email": "bo@example.com", "confirmation": True},
    ),
)
async def register(
    request: Request[Any, Any, Any], data: JSONBody[Registration], services: NamedDependency[Services]
) -> Registered:
    """Where `auth.registration` is `open`; 403 says what to do elsewhere. Where the server sends mail, the account is
    there once its address is confirmed. An address that is taken is answered alike; its owner is mailed."""
    return await service.register(services, data, address=request.scope["state"]["exchange"].address)


@post(
    "/v1/auth/confirm-email",
    summary="Confirm an address by the mailed link",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"token": "dc_5d41402abc4b2a76...", "password": "correct horse battery"},
        answer={"email": "bo@example.com"},
    ),
)
async def confirm(
    request: Request[Any, Any, Any], data: JSONBody[Confirmation], services: NamedDependency[Services]
) -> Confirmed:
    """`password` is the one that was chosen. Then sign in."""
    return await service.confirm(services, data, address=request.scope["state"]["exchange"].address)


ROUTES = [register, confirm]
