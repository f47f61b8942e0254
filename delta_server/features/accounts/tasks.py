"""What accounts do in the background."""

from itertools import islice

from delta_server.features.accounts import store
from delta_server.features.accounts.service import FirstUses, LastUses, record_first_uses
from delta_server.services import Services

_AT_ONCE = 2000
"""Keys in one write: some milliseconds during which other writes wait."""
_FIRST_AT_ONCE = 100
"""As many first uses, each of which is an entry of the audit log."""


class Expiries:
    """Up to when it was looked which keys have expired."""

    until_ms: int | None = None


async def end_streams(svc: Services) -> None:
    """Where a key has expired since the last look, streams look whether they may go on: one that is idle would not."""
    looked, now_ms = svc.state(Expiries), svc.clock.now_ms()
    since_ms, looked.until_ms = looked.until_ms, now_ms
    if since_ms is not None and svc.live.open and await svc.db.read(store.has_expired, since_ms, now_ms):
        svc.live.check_access()


async def write_last_uses(svc: Services) -> None:
    """Note when keys were last used: once a period, all at a time, away from the requests that used them."""
    await _write_first_uses(svc)
    used_at = dict(svc.state(LastUses))
    svc.state(LastUses).clear()
    try:
        while some := dict(islice(used_at.items(), _AT_ONCE)):
            await svc.db.write(store.write_last_uses, some)
            for key in some:
                del used_at[key]
    except BaseException:
        svc.state(LastUses).update(used_at | svc.state(LastUses))
        raise


async def _write_first_uses(svc: Services) -> None:
    first = svc.state(FirstUses)
    while some := dict(islice(first.items(), _FIRST_AT_ONCE)):
        await svc.db.write(record_first_uses, some)
        for key in some:
            del first[key]
