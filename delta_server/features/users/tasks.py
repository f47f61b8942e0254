"""What becomes of sessions in the background."""

import asyncio

from delta_server.core import access_tokens
from delta_server.features.users import service, tokens
from delta_server.services import Services

_AT_ONCE = 1000


async def sweep(svc: Services) -> None:
    while await svc.db.write(service.sweep, _AT_ONCE) == _AT_ONCE:
        pass


async def prepare(svc: Services) -> None:
    """What would hold everybody up if the first person to sign in waited for it on the loop."""
    key = await asyncio.to_thread(tokens.load_key, svc)
    svc.state(tokens.Signer, lambda: tokens.Signer(key))
    asyncio.get_running_loop().run_in_executor(None, access_tokens.import_library)
