"""What polls by itself, and lets old records go."""

from delta_server.core import times
from delta_server.core.clock_watch import ClockWatch
from delta_server.core.polling import schedule
from delta_server.features.polling import service as polling
from delta_server.features.polls import store
from delta_server.features.polls.running import RunningPolls
from delta_server.services import Services
from delta_server.storage.database import Tx

LOOK_AGAIN_S = 5.0
"""A clock that was set is noticed within so long."""
SHORTEST_WAIT_S = 1.7
"""What is due within that time begins together: that takes half the processor time of one poll after the other, for
they share wake-ups and commits."""
_AT_ONCE = 200
_DELETED_AT_ONCE = 1000


async def poll_due(svc: Services) -> None:
    """The loop: endpoints whose time has come."""
    running = RunningPolls.of(svc)
    changed = svc.topics.signal("polls")
    await reschedule(svc)
    watch = ClockWatch(svc.clock.now_ms(), svc.clock.steady_s())
    try:
        while True:
            seen, now_ms = changed.count, svc.clock.now_ms()
            if jump_ms := watch.jump_ms(now_ms, svc.clock.steady_s()):
                running.note_jump(jump_ms)
                if jump_ms < 0:
                    await reschedule(svc)
            due_at = await running.begin_due()
            wait_s = LOOK_AGAIN_S if due_at is None else (due_at - svc.clock.now_ms()) / 1000
            wait_s = min(LOOK_AGAIN_S, max(SHORTEST_WAIT_S, wait_s))
            running.wakes_at_ms = now_ms + round(wait_s * 1000)
            await changed.wait(wait_s, since=seen)
    finally:
        running.wakes_at_ms = 0
        await running.close()


async def reschedule(svc: Services) -> None:
    """What is due too late after the clock was set back, now or while the server was down, is due by the new time."""
    if not svc.db.peek(polling.any_due_later, svc.clock.now_ms()):
        return
    after = 0
    while rows := await svc.db.read(polling.due_later, svc.clock.now_ms(), after, _AT_ONCE):
        after = rows[-1].endpoint
        sooner = [(row.endpoint, due_at) for row in rows if (due_at := _due_at(row, svc.clock.now_ms())) != row.due_at]
        if sooner:
            await svc.db.write(_postpone_all, sooner)


def _due_at(row: polling.Polled, now_ms: int) -> int:
    assert row.due_at is not None, "as they were asked for"
    settings, standing = polling.masked_settings(row), polling.standing_of(row)
    return schedule.after_jump(settings, standing, row.due_at, now_ms, polling.seed_of(row.uid))


def _postpone_all(tx: Tx, rows: list[tuple[int, int]]) -> None:
    for endpoint, due_at in rows:
        polling.postpone(tx, endpoint, due_at)


async def expire(svc: Services) -> None:
    """Periodic: records of polls are kept for `polling.record_days`."""
    before_ms = svc.clock.now_ms() - svc.config.polling.record_days * times.DAY_MS
    endpoint = 0
    while (found := await svc.db.read(store.next_endpoint, endpoint)) is not None:
        endpoint = found
        while await svc.db.write(store.delete_before, endpoint, before_ms, _DELETED_AT_ONCE):
            pass
