"""`quota.exceeded`: a project would have had more than its plan allows. What was refused has changed nothing, so it is
written by itself, and once an hour for each quota: who goes on sending would fill the outbox with it."""

import msgspec

from delta_server.config.plans import PLAN_ROWS
from delta_server.core import plan_windows
from delta_server.core.errors import DeltaError, Quota, QuotaExceeded
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx

EXCEEDED = "quota.exceeded"
_MOST_KEPT = 10_000


class _Reported(dict[tuple[int, str], int]):
    """The hour in which a project's quota was last reported as exceeded."""


class _Happened(msgspec.Struct, frozen=True):
    quota: Quota
    message: str


class reporting_exceeded:  # noqa: N801 - used as a function: made by contextlib it took four times as long
    """Around what stores something for the project; None: which it is, only the body says, and nobody hears of it. Nor
    does anybody of limits that are no plan's."""

    __slots__ = ("_project", "_svc")

    def __init__(self, svc: Services, project: int | None) -> None:
        self._svc = svc
        self._project = project

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, QuotaExceeded) and self._project is not None and error.quota.name in PLAN_ROWS:
            await _report(self._svc, self._project, error)


async def _report(svc: Services, project: int, error: QuotaExceeded) -> None:
    reported, hour = svc.state(_Reported), svc.clock.now_ms() // plan_windows.HOUR_MS
    key = project, error.quota.name
    if reported.get(key) == hour:
        return
    if len(reported) >= _MOST_KEPT:
        reported.clear()
    reported[key] = hour
    body = msgspec.json.encode(_Happened(error.quota, error.message)).decode()
    try:
        await svc.db.write(_write, project, body)
    except DeltaError:  # a full disk: what was refused is answered all the same
        del reported[key]
        return
    svc.topics.wake("happenings", project)


def _write(tx: Tx, project: int, body: str) -> None:
    outbox.write(tx, project, EXCEEDED, body)
