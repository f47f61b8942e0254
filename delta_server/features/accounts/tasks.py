"""What accounts do in the background."""

from delta_server.features.accounts import store
from delta_server.features.accounts.service import LastUses
from delta_server.services import Services


async def write_last_uses(svc: Services) -> None:
    """Note when keys were last used: once a period, all at a time, away from the requests that used them."""
    used_at = dict(svc.state(LastUses))
    svc.state(LastUses).clear()
    if not used_at:
        return
    try:
        await svc.db.write(store.write_last_uses, used_at)
    except BaseException:
        svc.state(LastUses).update(used_at | svc.state(LastUses))
        raise
