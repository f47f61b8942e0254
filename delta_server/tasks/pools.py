"""All threads and processes for pure work."""

from collections.abc import Awaitable, Callable
from typing import Self

import msgspec

from delta_server.tasks.processes import ProcessPool
from delta_server.tasks.threads import BatchThread, FairThreadPool, ThreadPool


class Pools(msgspec.Struct, frozen=True):
    """services.py tells what each is for."""

    cpu: ThreadPool
    event_cpu: ThreadPool
    large_cpu: ThreadPool
    spare_cpu: ThreadPool
    fair_cpu: FairThreadPool
    processes: ProcessPool
    batch_processes: ProcessPool

    @classmethod
    def start(cls, cores: int, *, answer_s: float) -> Self:
        threads = min(8, cores + 1)
        fair_cpu = FairThreadPool(threads, "fair-cpu", seconds=answer_s)
        return cls(
            cpu=ThreadPool(threads, "cpu"),
            event_cpu=BatchThread("event-cpu", fair_cpu.callers),
            large_cpu=ThreadPool(threads, "large-cpu", behind=True),
            spare_cpu=ThreadPool(min(8, cores), "spare-cpu", behind=True),
            fair_cpu=fair_cpu,
            processes=ProcessPool(threads),
            batch_processes=ProcessPool(1, soon=True),
        )

    @classmethod
    def start_few(cls, *, answer_s: float) -> Self:
        """For a command that reads."""
        cpu = ThreadPool(2, "cpu")
        return cls(cpu, cpu, cpu, cpu, FairThreadPool(2, "fair-cpu", seconds=answer_s), ProcessPool(2), ProcessPool(1))

    async def close(self) -> None:
        closing: list[Callable[[], Awaitable[None]]] = [self.batch_processes.close, self.processes.close]
        closing += [self.fair_cpu.close, self.spare_cpu.close, self.large_cpu.close, self.event_cpu.close]
        for close in (*closing, self.cpu.close):
            await close()
