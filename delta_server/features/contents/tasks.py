"""When contents are packed, merged and swept. How is storage/contents/maintenance.py."""

import asyncio

from delta_server.services import Services
from delta_server.storage.contents import contents, maintenance

GATHERED_S = 5.0
"""New contents of so long are looked at together: at every second that took as long for one as for five."""

LOOK_AGAIN_S = 60.0


async def keep_packed(svc: Services) -> None:
    """Pack what new contents have filled, then wait for more; for ever. What was there before is `pack`'s."""
    newest = svc.db.peek(contents.newest_frame)
    changed = svc.topics.signal("contents")
    while True:
        seen = changed.count
        newest = await maintenance.pack_since(svc.contents, newest)
        await asyncio.sleep(GATHERED_S)
        await changed.wait(LOOK_AGAIN_S, since=seen)
