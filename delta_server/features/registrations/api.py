"""/v1/auth/register: making an account of one's own."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from delta_server.features.registrations import service
from delta_server.features.registrations.schemas import Registered, Registration
from delta_server.http.docs import example
from delta_server.services import Services

_TAGS = ["People"]


@post(
    "/v1/auth/register",
    summary="Make an account",
    tags=_TAGS,
    status_code=202,
    opt=example(
        request={"email": "bo@example.com", "password": "correct horse battery", "name": "Bo"},
        answer={"email": "bo@example.com"},
    ),
)
async def register(data: JSONBody[Registration], services: NamedDependency[Services]) -> Registered:
    """Where `auth.registration` is `open`; 403 says what to do elsewhere. An address that is taken is answered alike,
    and nothing changes. Then sign in."""
    return await service.register(services, data)


ROUTES = [register]
