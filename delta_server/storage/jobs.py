"""Durable jobs: asked for in the transaction of their cause, done in the background at least once.

A job is `waiting`, then `running` under a lease, then `done`, or `failed` until its next attempt, or `dead` after its
last one; `cancelled` ends it early. `due_at` is when it may next be claimed: at once, after a failure's delay, or when
the lease has run out because whoever ran it is gone. Each claim has a number, and whoever writes says its number: one
that was overtaken is refused. `tasks/jobs.py` runs them.

All functions work on one transaction, so that a job and its effect are committed together.
"""

from typing import Literal, TypeAlias

import msgspec

from delta_server.storage.database import Tx, frees_space
from delta_server.storage.row_checksums import ChecksummedTable

LEASE_MS = 60_000
NO_PROJECT = 0
"""In the place of the project, for jobs that belong to none."""
KEPT_MS = 7 * 86_400_000
"""How long a job that has ended is kept."""
BEFORE_ALL = -1
"""Less than any project's number."""
_JITTER = 0.2
ROWS = ChecksummedTable(
    "job",
    key=("project", "id"),
    covered=("arguments",),
    check=lambda arguments: msgspec.json.decode(arguments or b"null"),
    has_checksum=False,
)

State: TypeAlias = Literal["waiting", "running", "done", "failed", "dead", "cancelled"]


class LeaseLost(Exception):
    """The job was cancelled or deleted, or another has it: whoever gets this stops, and changes nothing more."""


class Retry(msgspec.Struct, frozen=True):
    """How long to wait after each failure. After the last delay a job is dead, or goes on with that delay for ever."""

    delays_s: tuple[float, ...]
    for_ever: bool = False

    def delay_ms(self, attempts: int, chance: float) -> int | None:
        """After so many attempts, 20 % more or less by `chance` in [0, 1); None for no further one."""
        if attempts > len(self.delays_s) and not self.for_ever:
            return None
        delay_s = self.delays_s[min(attempts, len(self.delays_s)) - 1]
        return int(delay_s * 1000 * (1 - _JITTER + 2 * _JITTER * chance))

    def longest_ms(self) -> int:
        return max(LEASE_MS, int(max(self.delays_s) * 1000 * (1 + _JITTER)))


class Job(msgspec.Struct, frozen=True):
    """Times are in ms. `arguments` is JSON, empty once it is done; `lease` is the number of the last claim; `done` of
    `total` steps were reported."""

    project: int
    id: bytes
    kind: str
    arguments: str
    state: State
    attempts: int
    lease: int
    due_at: int
    done: int
    total: int
    error: str | None
    created_at: int
    finished_at: int | None


class Due(msgspec.Struct, frozen=True):
    """Which job is to be claimed next; until `at` there is nothing to do."""

    project: int
    id: bytes
    at: int
    is_due: bool


_COLUMNS = "project, id, kind, arguments, state, attempts, lease, due_at, done, total, error, created_at, finished_at"
_FIRST_OF_PROJECTS = (
    "WITH RECURSIVE turn (project) AS ("
    "SELECT min(project) FROM job WHERE kind = ?1 AND finished_at IS NULL AND project > ?2"
    " UNION ALL SELECT (SELECT min(project) FROM job"
    " WHERE kind = ?1 AND finished_at IS NULL AND project > turn.project) FROM turn WHERE project IS NOT NULL),"
    " first (project, at) AS (SELECT project, (SELECT min(due_at) FROM job"
    " WHERE kind = ?1 AND finished_at IS NULL AND project = turn.project) FROM turn WHERE project IS NOT NULL)"
)
"""Each project behind ?2 with open jobs of the kind ?1, and when its first is due. Read as far as it is asked for."""
_MINE = "project = ? AND id = ? AND lease = ? AND state = 'running'"


def enqueue(tx: Tx, project: int, kind: str, arguments: str, *, key: bytes | None = None) -> tuple[bytes, bool]:
    """(the job's id, whether it is new). While a job with the same `key` waits, it is that one, unchanged."""
    waiting = key and tx.one(
        "SELECT id FROM job WHERE project = ? AND kind = ? AND key = ? AND state = 'waiting'", project, kind, key
    )
    if waiting:
        return waiting[0], False
    id = tx.new_id()
    tx.run(
        "INSERT INTO job (project, id, kind, key, arguments, state, due_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'waiting', ?, ?)",
        project,
        id,
        kind,
        key,
        arguments,
        tx.now_ms,
        tx.now_ms,
    )
    return id, True


def set_arguments(tx: Tx, project: int, id: bytes, arguments: str) -> None:
    """Nothing happens once the job has begun."""
    tx.run("UPDATE job SET arguments = ? WHERE project = ? AND id = ? AND state = 'waiting'", arguments, project, id)


def find(tx: Tx, project: int, id: bytes) -> Job | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM job WHERE project = ? AND id = ?", project, id)
    return Job(*row) if row else None


def any_waits(tx: Tx, kind: str) -> bool:
    """A look at one row, for the event loop's own thread."""
    return tx.one("SELECT 1 FROM job WHERE kind = ? AND finished_at IS NULL LIMIT 1", kind) is not None


def any_is_open(tx: Tx) -> bool:
    """Of any kind: as above."""
    return tx.one("SELECT 1 FROM job INDEXED BY job_due WHERE finished_at IS NULL LIMIT 1") is not None


def next_due(tx: Tx, kind: str, retry: Retry, *, after: int) -> Due | None:
    """The oldest job of the next project behind `after` that has one to do, the projects in turn; when none is due, the
    first that will be. One look into the index a project, however many jobs it has.

    A time further ahead than any delay was given by a clock that has been set back since: that job is due.
    """
    due = f"{_FIRST_OF_PROJECTS} SELECT project, at FROM first WHERE at <= ?3 OR at > ?4 LIMIT 1"
    latest = tx.now_ms + retry.longest_ms()
    row = tx.one(due, kind, after, tx.now_ms, latest) or tx.one(due, kind, BEFORE_ALL, tx.now_ms, latest)
    is_due = row is not None
    row = row or tx.one(
        f"{_FIRST_OF_PROJECTS} SELECT project, min(at) FROM first HAVING min(at) NOTNULL", kind, BEFORE_ALL
    )
    if row is None:
        return None
    project, at = row
    sql = "SELECT id FROM job WHERE kind = ? AND finished_at IS NULL AND project = ? ORDER BY due_at, id LIMIT 1"
    found = tx.one(sql, kind, project)
    assert found is not None
    return Due(project, found[0], at, is_due)


@frees_space
def claim(tx: Tx, due: Due, retry: Retry) -> Job | None:
    """Take the job under a lease of LEASE_MS; None when another was quicker, or when it was dead: it has ended its
    runners as often as it may."""
    job = find(tx, due.project, due.id)
    if job is None or job.finished_at is not None or job.due_at != due.at:
        return None
    if job.attempts and retry.delay_ms(job.attempts, 0) is None:
        _end(tx, job, "dead", error=job.error or "the server ended while the job ran")
        return None
    row = tx.one(
        "UPDATE job SET state = 'running', lease = lease + 1, attempts = attempts + 1, due_at = ?, error = NULL"
        f" WHERE project = ? AND id = ? RETURNING {_COLUMNS}",
        tx.now_ms + LEASE_MS,
        job.project,
        job.id,
    )
    return Job(*row) if row else None


@frees_space
def renew(tx: Tx, job: Job) -> None:
    """Raises LeaseLost."""
    _held(tx.run(f"UPDATE job SET due_at = ? WHERE {_MINE}", tx.now_ms + LEASE_MS, job.project, job.id, job.lease))


def progress(tx: Tx, job: Job, *, done: int, total: int) -> None:
    """Report it and renew the lease. Raises LeaseLost."""
    sql = f"UPDATE job SET done = ?, total = ?, due_at = ? WHERE {_MINE}"
    _held(tx.run(sql, done, total, tx.now_ms + LEASE_MS, job.project, job.id, job.lease))


@frees_space
def finish(tx: Tx, job: Job) -> None:
    """May be said twice. Raises LeaseLost."""
    now = find(tx, job.project, job.id)
    if now is None or (now.state, now.lease) != ("done", job.lease):
        _held(_end(tx, job, "done", error=None))


@frees_space
def fail(tx: Tx, job: Job, error: str, retry: Retry, chance: float) -> State:
    """What the job is now: failed until its next attempt, or dead. Raises LeaseLost."""
    delay_ms = retry.delay_ms(job.attempts, chance)
    if delay_ms is None:
        _held(_end(tx, job, "dead", error=error))
        return "dead"
    sql = f"UPDATE job SET state = 'failed', error = ?, due_at = ? WHERE {_MINE}"
    _held(tx.run(sql, error, tx.now_ms + delay_ms, job.project, job.id, job.lease))
    return "failed"


@frees_space
def give_back(tx: Tx, job: Job) -> None:
    """The server goes down: the attempt does not count, and the next may come at once."""
    sql = f"UPDATE job SET attempts = attempts - 1, due_at = ? WHERE {_MINE}"
    tx.run(sql, tx.now_ms, job.project, job.id, job.lease)


def running(tx: Tx) -> list[tuple[int, bytes]]:
    """(project, id) of all jobs that somebody runs, or ran when the server ended."""
    return [
        (row[0], row[1])
        for row in tx.all("SELECT project, id FROM job WHERE finished_at IS NULL AND state = 'running'")
    ]


@frees_space
def release(tx: Tx, rows: list[tuple[int, bytes]]) -> None:
    """Nobody runs these: the server has just started, alone on its data directory."""
    sql = "UPDATE job SET due_at = min(due_at, ?) WHERE project = ? AND id = ? AND state = 'running'"
    tx.many(sql, [(tx.now_ms, project, id) for project, id in rows])


def cancel(tx: Tx, project: int, id: bytes) -> bool:
    """Whether the job had not ended yet. One that runs notices when it next writes."""
    job = find(tx, project, id)
    return job is not None and job.finished_at is None and bool(_end(tx, job, "cancelled", error=job.error))


@frees_space
def delete_ended(tx: Tx, limit: int) -> bool:
    """Delete up to `limit` jobs that ended KEPT_MS ago; False when there are none."""
    sql = "DELETE FROM job WHERE (project, id) IN (SELECT project, id FROM job WHERE finished_at <= ? LIMIT ?)"
    return tx.run(sql, tx.now_ms - KEPT_MS, limit) > 0


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` jobs of a deleted project; False when there are none."""
    sql = "DELETE FROM job WHERE project = ? AND id IN (SELECT id FROM job WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, project, limit) > 0


def _end(tx: Tx, job: Job, state: State, *, error: str | None) -> int:
    """A dead job keeps its arguments, for whoever looks into it."""
    return tx.run(
        "UPDATE job SET state = ?, error = ?, finished_at = ?, arguments = iif(?1 = 'dead', arguments, '')"
        " WHERE project = ? AND id = ? AND lease = ? AND finished_at IS NULL",
        state,
        error,
        tx.now_ms,
        job.project,
        job.id,
        job.lease,
    )


def _held(rows: int) -> None:
    if not rows:
        raise LeaseLost
