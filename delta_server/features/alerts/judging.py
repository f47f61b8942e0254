"""The loop that judges versions as they come in.

The outbox says which endpoints have new ones. Each rule has its place in its endpoint's timeline, and goes on from
there: what it raises, what is said of that, its memory and its place are one commit. So a crash loses no alert, and
none is raised twice.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from delta_server.core import ids
from delta_server.core.alerts import rules
from delta_server.core.alerts.judging import Judge, Version, measure
from delta_server.core.errors import Conflict, DeltaError, NotFound, Unavailable
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.features.alerts import raising, schemas, store, trying, watching
from delta_server.features.alerts.raising import Finding, Judged
from delta_server.features.alerts.store import RuleRow
from delta_server.features.alerts.watching import CONSUMER, Watched
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import DeltaCounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service as history
from delta_server.features.history.service import Stretch
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.outbox import Happening

LOOK_AGAIN_S = 60.0
HAPPENINGS_AT_ONCE = 64
DELTAS_AT_ONCE = 500
YIELD_FACTOR, MOST_PAUSE_S, QUIET_S = 4, 1.0, 0.05
"""While callers store, it pauses for so many times as long as it took, or until they are quiet."""
MOST_TRIES = 3
PROJECTS_AT_ONCE = 2
"""One project whose versions take minutes keeps no other waiting."""

log = structlog.get_logger("delta.alerts")


class Plan(msgspec.Struct, frozen=True):
    """What an endpoint's rules judge next: versions, and deltas."""

    endpoint: EndpointRef
    of_paths: Sequence[RuleRow]
    stretch: Stretch
    of_deltas: Sequence[RuleRow]
    counts: Sequence[DeltaCounts]

    @property
    def is_empty(self) -> bool:
        return not (self.stretch.passed and self.of_paths) and not (self.counts and self.of_deltas)


class Step(msgspec.Struct, frozen=True):
    """A version in its place."""

    position: Position
    version: Version


class Waiting:
    """Endpoints that may have versions to judge, by project. In memory alone: rules have their places, so at the start
    all endpoints with rules are looked at. Used on the event loop only."""

    def __init__(self) -> None:
        self.has_begun = False
        self._of: dict[int, dict[str, None]] = {}

    @property
    def is_empty(self) -> bool:
        return not self._of

    def add(self, project: int, endpoint: str) -> None:
        self._of.setdefault(project, {})[endpoint] = None

    def next_turn(self) -> list[tuple[int, str]]:
        """An endpoint of each of the projects whose turn it is."""
        turn = []
        for project in list(self._of)[:PROJECTS_AT_ONCE]:
            waiting = self._of[project] = self._of.pop(project)  # to the end
            turn.append((project, next(iter(waiting))))
        return turn

    def put_back(self, project: int, endpoint: str) -> None:
        """It has more to judge, behind the project's others."""
        waiting = self._of[project]
        waiting[endpoint] = waiting.pop(endpoint)

    def end(self, project: int, endpoint: str) -> None:
        del self._of[project][endpoint]
        if not self._of[project]:
            del self._of[project]


async def follow(svc: Services) -> None:
    """For ever."""
    happened = svc.topics.signal("happenings")
    while True:
        seen = happened.count
        if not await judge_some(svc):
            await happened.wait(LOOK_AGAIN_S, since=seen)


async def judge_some(svc: Services) -> bool:
    """A part of one endpoint of each of several projects. False when nothing more is there to judge. Callers who store
    are let pass."""
    began_s = time.monotonic()
    projects = await svc.state(Watched).projects(svc)
    if not projects:
        return False
    waiting = svc.state(Waiting)
    heard = await _hear(svc, waiting, projects)
    turn = waiting.next_turn()
    if not turn:
        return heard
    await asyncio.gather(*(_take_turn(svc, waiting, project, uid) for project, uid in turn))
    pause_s = min(MOST_PAUSE_S, YIELD_FACTOR * (time.monotonic() - began_s))
    await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=pause_s)
    return True


async def _hear(svc: Services, waiting: Waiting, projects: frozenset[int]) -> bool:
    """Whether anything happened. What it is about waits."""
    if not waiting.has_begun:
        for project, endpoint in await svc.db.read(store.endpoints_with_rules):
            waiting.add(project, ids.text(endpoint))
        waiting.has_begun = True
    found = await svc.db.read(_read_part, projects)
    if found is None:
        return False
    seq, of = found
    for project, uid in of:
        waiting.add(project, uid)
    await svc.db.write(outbox.advance, CONSUMER, seq)
    return True


async def _take_turn(svc: Services, waiting: Waiting, project: int, uid: str) -> None:
    if await judge_part(svc, project, uid):
        waiting.put_back(project, uid)
    else:
        waiting.end(project, uid)


async def judge_part(svc: Services, project: int, uid: str) -> bool:
    """Some of the versions that an endpoint's rules have not judged; whether there were any. What cannot be read is
    passed over."""
    for tries in range(1, MOST_TRIES + 1):
        try:
            plan = await svc.db.read(_plan, project, uid)
        except NotFound:  # deleted meanwhile
            return False
        if plan.is_empty:
            return False
        try:
            judged = await _of_versions(svc, plan) + await svc.spare_cpu(_of_deltas, plan)
            break
        except Unavailable:
            raise
        except DeltaError as error:  # rewritten while it was read, or damaged
            if isinstance(error, Conflict) and tries < MOST_TRIES:
                continue
            log.warning("versions are not judged", endpoint=uid, reason=error.message)
            judged = _passed_over(plan)
            break
    if await svc.db.write(raising.write, plan.endpoint, judged):
        svc.topics.wake("happenings", project)
    return True


def _passed_over(plan: Plan) -> list[Judged]:
    """As if there were nothing to find in them."""
    last = plan.stretch.passed[-1].position if plan.stretch.passed else None
    of_paths = [Judged(row, schemas.memory_of(row), max(last, row.position), []) for row in plan.of_paths if last]
    return of_paths + _of_deltas(plan)


def _read_part(tx: Tx, projects: frozenset[int]) -> tuple[int, Sequence[tuple[int, str]]] | None:
    """Up to which happening, and the endpoints that these are about."""
    after = outbox.position(tx, CONSUMER)
    happened = [] if after is None else outbox.read(tx, after, HAPPENINGS_AT_ONCE)
    if not happened:
        return None
    of = {(each.project, uid): None for each in happened if each.project in projects for uid in _endpoints(tx, each)}
    return happened[-1].seq, list(of)


def _endpoints(tx: Tx, happening: Happening) -> list[str]:
    """Those that may have something new to judge."""
    if happening.kind == snapshots.CREATED:
        stored = snapshots.describe(tx, happening.project, outbox.rows_of(happening))
        return [one.endpoint.id for one in stored if not one.snapshot.unchanged]
    if happening.kind == deltas.CREATED:
        return [one.endpoint.id for one in deltas.describe(tx, happening.project, outbox.rows_of(happening))]
    if happening.kind == watching.RULE_CHANGED:
        return [msgspec.json.decode(happening.body, type=watching.RuleChanged).endpoint.id]
    return []


def _plan(tx: Tx, project: int, uid: str) -> Plan:
    """Raises NotFound."""
    endpoint = endpoints.find(tx, project, uid)
    rows = store.rules_of_endpoint(tx, endpoint.id)
    of_paths = [row for row in rows if schemas.settings_of(row).kind in rules.OF_PATHS]
    of_deltas = [row for row in rows if schemas.settings_of(row).kind in rules.OF_DELTAS]
    first = min((row.position for row in of_paths), default=None)
    stretch = Stretch([], frozenset(), None, is_whole=True)
    if first is not None:
        stretch = history.versions_after(tx, endpoint, first)
    counts: Sequence[DeltaCounts] = []
    if of_deltas:
        after = min(row.position for row in of_deltas)
        span = TimelineSpan(from_ms=after[0], after=after, descending=False)
        counts = deltas.counts_along(tx, endpoint.id, span, most=DELTAS_AT_ONCE)
    return Plan(endpoint, of_paths, stretch, of_deltas, counts)


async def _of_versions(svc: Services, plan: Plan) -> list[Judged]:
    """Raises NotFound, Conflict."""
    if not plan.stretch.passed or not plan.of_paths:
        return []
    known = deltas.known_keys(svc, plan.endpoint.id)
    readers = [trying.reader_of(schemas.settings_of(row), plan.endpoint, known) for row in plan.of_paths]
    steps: list[list[Step]] = [[] for _ in plan.of_paths]
    async for before, versions in history.read_versions(svc, plan.endpoint, plan.stretch, readers):
        for each in versions:
            for number, reading in enumerate(each.readings):
                earlier = None if before is None else before[number]
                steps[number].append(Step(each.at.position, Version(reading, earlier)))
            before = each.readings
    labels = [reader.labels for reader in readers]
    return await svc.spare_cpu(_judge_all, plan.of_paths, steps, labels)


def _of_deltas(plan: Plan) -> list[Judged]:
    found = []
    for row in plan.of_deltas:
        rule = schemas.settings_of(row)
        steps = [Step(each.position, trying.counted(rule, each)) for each in plan.counts]
        found += _judge_all([row], [steps], [{}])
    return found


def _judge_all(
    rows: Sequence[RuleRow], steps: Sequence[Sequence[Step]], labels: Sequence[Mapping[str, str | None]]
) -> list[Judged]:
    return [_judge(*one) for one in zip(rows, steps, labels, strict=True)]


def _judge(row: RuleRow, steps: Sequence[Step], labels: Mapping[str, str | None]) -> Judged:
    rule, memory = schemas.settings_of(row), schemas.memory_of(row)
    judge = Judge(rule, memory)
    position, findings = row.position, list[Finding]()
    for step in steps:
        if step.position <= row.position:
            continue
        position = step.position
        memory.note(position[0], measure(rule, step.version))
        for verdict in judge.step(step.version):
            findings.append(Finding(verdict, step.position[0], labels.get(verdict.record)))
    return Judged(row, memory, position, findings)
