"""What becomes of sessions in the background."""

import asyncio

from delta_server.core import access_tokens
from delta_server.features.users import first_access, service, sessions, tokens
from delta_server.services import Services

_AT_ONCE = 1000


async def sweep(svc: Services) -> None:
    while await svc.db.write(sessions.sweep, _AT_ONCE) == _AT_ONCE:
        pass


async def prepare(svc: Services) -> None:
    """First access as it is configured. Then as `tokens.prepare`, but the start does not wait for the library."""
    await first_access.make(svc)
    if not service.needs_setup(svc):
        await tokens.load_signer(svc)
        asyncio.get_running_loop().run_in_executor(None, access_tokens.import_library)
