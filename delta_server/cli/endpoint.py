"""What commands that read one endpoint share: finding it, also while a server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError, NotFound
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.projects import service as projects
from delta_server.features.snapshots.commands import DEFAULT_PROJECT
from delta_server.services import Services
from delta_server.storage.database import Tx


@asynccontextmanager
async def opened(config: Config, project: str | None, name: str) -> AsyncIterator[tuple[Services, EndpointRef]]:
    """The endpoint by id or name, of the only project there is where none is named. Raises DeltaError."""
    async with app.open_for_reading(config) as services:
        owner = await services.db.read(_project, project)
        try:
            endpoint = endpoints.resolve(services, owner, name)
        except NotFound:
            raise DeltaError(f"there is no endpoint {name} in the project") from None
        yield services, endpoint


def _project(tx: Tx, name: str | None) -> int:
    account = accounts.find_default_account(tx)
    found = {} if account is None else {each.name: each.id for each in projects.all_of(tx, account)}
    if name is None and len(found) > 1 and DEFAULT_PROJECT not in found:
        raise DeltaError(f"there are several projects; say which with --project: {', '.join(sorted(found))}")
    chosen = name or (next(iter(found)) if len(found) == 1 else DEFAULT_PROJECT)
    if chosen not in found:
        raise DeltaError(f"there is no project named {chosen}: {', '.join(sorted(found)) or 'there is none'}")
    return found[chosen]
