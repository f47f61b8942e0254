import asyncio

import pytest
from structlog.testing import capture_logs

from delta_server.tasks import loops
from delta_server.tasks.loops import MAX_BACKOFF_S, Loop, Supervisor, backoff_s
from delta_server.tasks.periodic import FIRST_RUN_S, Periodic, as_loop


class FakeTime:
    """Time that passes only by sleeping, and stops the test's loop after some sleeps."""

    def __init__(self, sleeps: int) -> None:
        self.slept: list[float] = []
        self.now = 0
        self.over = asyncio.Event()
        self._sleeps = sleeps

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now += int(delay_s * 1000)
        if len(self.slept) >= self._sleeps:
            self.over.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


async def supervised(loop: Loop[str], time: FakeTime) -> Supervisor:
    supervisor = Supervisor(time.now_ms, time.sleep)
    supervisor.start([loop], "the services")
    await time.over.wait()
    return supervisor


async def test_a_failing_loop_is_logged_once_each_time_and_waits_longer() -> None:
    async def fail(services: str) -> None:
        raise ValueError(f"no luck with {services}")

    time = FakeTime(sleeps=9)
    with capture_logs() as lines:
        supervisor = await supervised(Loop("unlucky", fail), time)
    assert time.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [(line["event"], line["loop"]) for line in lines] == [("background loop failed", "unlucky")] * 9
    state = supervisor.states()[0]
    assert (state.name, state.running, state.failures) == ("unlucky", False, 9)
    assert state.last_error == "ValueError: no luck with the services"
    await supervisor.stop()


async def test_a_loop_that_ran_well_for_a_while_starts_again_at_the_first_backoff() -> None:
    time = FakeTime(sleeps=4)

    async def run_a_while_then_fail(_services: str) -> None:
        time.now += 61_000
        raise ValueError

    with capture_logs():
        supervisor = await supervised(Loop("fair", run_a_while_then_fail), time)
    assert time.slept == [1, 1, 1, 1]
    await supervisor.stop()


async def test_a_loop_that_ends_is_a_failure_too() -> None:
    async def end(_services: str) -> None:
        return

    with capture_logs():
        supervisor = await supervised(Loop("short", end), FakeTime(sleeps=1))
    assert "the loop ended" in (supervisor.states()[0].last_error or "")
    await supervisor.stop()


async def test_stop_cancels_and_waits() -> None:
    cleaned: list[bool] = []

    async def run(_services: str) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    started = asyncio.Event()
    supervisor = Supervisor(lambda: 0)
    supervisor.start([Loop("tidy", run)], "")
    await started.wait()
    assert supervisor.states()[0].running
    await supervisor.stop()
    assert cleaned == [True]
    assert not supervisor.states()[0].running


async def test_periodic_work_runs_soon_after_the_start_then_every_period() -> None:
    runs: list[int] = []
    time = FakeTime(sleeps=4)

    async def sweep(_services: str) -> None:
        runs.append(time.now)

    supervisor = await supervised(as_loop(Periodic("sweep", sweep, every_s=3600), time.sleep), time)
    assert time.slept == [FIRST_RUN_S, 3600, 3600, 3600]
    assert runs == [60_000, 3_660_000, 7_260_000]
    await supervisor.stop()


def test_the_backoff_is_bounded() -> None:
    assert backoff_s(1) == 1
    assert backoff_s(10_000) == MAX_BACKOFF_S


async def test_a_loop_that_forgets_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As asyncio.wait_for of Python 3.11 does when what it waits for comes at the same moment."""
    monkeypatch.setattr(loops, "CANCEL_AGAIN_S", 0.0)
    began = asyncio.Event()
    forgotten = 0

    async def forget(_services: str) -> None:
        nonlocal forgotten
        began.set()
        while forgotten < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                forgotten += 1
        await asyncio.Event().wait()

    supervisor = Supervisor(lambda: 0)
    supervisor.start([Loop("forgetful", forget)], "the services")
    await began.wait()
    await supervisor.stop()
    assert forgotten == 3
    assert not supervisor.states()[0].running
