"""Old invitations go."""

from delta_server.features.invitations import service
from delta_server.services import Services

_AT_ONCE = 1000


async def sweep(svc: Services) -> None:
    while await svc.db.write(service.sweep, _AT_ONCE) == _AT_ONCE:
        pass
