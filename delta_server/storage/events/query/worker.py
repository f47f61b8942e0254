"""The process that answers queries of events for the server: one plan after the other from stdin, answers to stdout
(events/workers.py). It opens the database for reading only, and its DuckDB can open nothing but what the server's can.
"""

import os
import pickle
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path

import msgspec

from delta_server.core.errors import DeltaError
from delta_server.core.query.plan import Plan
from delta_server.storage import child, process_messages
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.failures import translated
from delta_server.storage.events.duckdb.instance import Instance
from delta_server.storage.events.query import compilers
from delta_server.storage.events.query.answers import Answers
from delta_server.storage.events.query.person_joins import LinksBaseCache
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.events.rollups import cover
from delta_server.storage.sqlite.connection import Tuning

ARGUMENT = "event-query-worker"
"""What the program is called with to be this; behind it stands one of:"""
BEHIND, AHEAD = "behind", "ahead"
"""Whether it leaves a core to all others."""
WORN_BYTES = 64 << 20
"""A process that holds so much more than at its start, when it has answered, is replaced."""
BASES_BYTES = 32 << 20


class QuerySetup(msgspec.Struct, frozen=True):
    """The first frame, as MessagePack."""

    database: str
    memory_bytes: int
    threads: int
    spill: str | None = None
    """Where what does not fit in memory goes. Without it, it raises."""


class QueryQuestion(msgspec.Struct, frozen=True):
    """Pickled, for plans hold numbers of any size."""

    project: int
    plan: Plan


def main() -> None:
    """Answer until stdin ends. Its priority is set already (__main__.py)."""
    child.begin()
    child.end_with_parent()
    arriving, leaving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but messages may come out
    first = process_messages.read(arriving)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=QuerySetup)
    worker = Worker(setup)
    process_messages.write(leaving, b"")  # ready
    at_first = child.resident_bytes()
    while (question := process_messages.read(arriving)) is not None:
        answer = worker.answer(pickle.loads(question))  # noqa: S301 - the server's
        worn = child.resident_bytes() > at_first + WORN_BYTES
        process_messages.write(leaving, bytes([worn]) + answer)


class Worker:
    def __init__(self, setup: QuerySetup) -> None:
        self._answers = Answers(
            compilers.COMPILERS, cover.compile_from_rollups, bases=LinksBaseCache(most_bytes=BASES_BYTES)
        )
        self._instance = Instance(
            ReadViews(Path(setup.database), Tuning()),
            memory_bytes=setup.memory_bytes,
            threads=setup.threads,
            spill=None if setup.spill is None else Path(setup.spill),
        )
        self._instance.start()

    def answer(self, question: QueryQuestion) -> bytes:
        """Pickled: whether it failed, and the result or the error."""
        try:
            return pickle.dumps((False, self._result(question)), protocol=5)
        except DeltaError as error:
            return pickle.dumps((True, error), protocol=5)
        except Exception as error:  # a mistake of ours, whose traceback is in the server's log
            traceback.print_exc()
            return pickle.dumps((True, RuntimeError(f"{type(error).__name__}: {error}")), protocol=5)

    def _result(self, question: QueryQuestion) -> QueryResult:
        with ExitStack() as opened:
            session = None
            try:
                session = self._instance.open(question.project, opened)
                return self._answers.answer(session, question.plan)
            except DeltaError:
                raise
            except Exception as error:
                reason = translated(error) if session is None else session.failed(error)
                raise reason from (None if reason is error else error)
