"""Training tables: labels and metrics of events by SQL, then the documents that were known at each label."""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import Conflict, NotFound, TooCostly
from delta_server.core.packs import codec
from delta_server.core.query.plan import Sql
from delta_server.core.tables import training
from delta_server.core.tables.training import MOST_LABELS, Arrival, KnownContents, Plan, TrainingSpec
from delta_server.core.tables.writing import Form
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.exports import store
from delta_server.features.exports.histories import new_folder
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.tasks import feature_worker
from delta_server.tasks.feature_worker import FeatureTask, KnownDocument
from delta_server.tasks.table_making import TableMaker

MOST_SNAPSHOTS = 1_000_000
_AT_ONCE = 4096


class _Read(msgspec.Struct, frozen=True):
    """By content, the rows at which it was the newest known."""

    endpoint: int
    name: str
    rows: dict[int, list[int]]


async def table(
    svc: Services, project: int, spec: TrainingSpec, form: Form | None, *, escape_formulas: bool = True
) -> AsyncGenerator[bytes, None]:
    """The file in pieces, or with None its manifest. Raises as `TableMaker.make`, Invalid, NotFound for an endpoint,
    and Conflict when versions vanish meanwhile."""
    plan = training.plan(spec, svc.clock.now_ms())
    named = {each.endpoint: endpoints.resolve(svc, project, each.endpoint) for each in plan.documents}
    await audit.note_in(svc, project, "event.export", target=f"features {form or 'manifest'}")
    text, params = store.query(plan)
    answer = await svc.event_reader.run_query(project, Sql(text, MOST_LABELS, params))
    if answer.truncated:
        raise TooCostly(f"more than {MOST_LABELS} labels, or rows of more than 16 MiB: take a shorter range of labels")
    moments = await svc.spare_cpu(_moments, answer.written)
    reads = [await _read(svc, of.id, name, moments, plan) for name, of in named.items()]
    folder = new_folder(svc)
    task = FeatureTask(
        spill=str(folder),
        plan=plan,
        rows=msgspec.Raw(answer.written),
        versions=[await _version(svc, read) for read in reads],
        form=form,
        escape_formulas=escape_formulas,
    )
    known = _known(svc, reads)
    return svc.state(TableMaker).make(project, feature_worker.ARGUMENT, msgspec.json.encode(task), known, folder)


class _Moment(msgspec.Struct, frozen=True):
    t: int


def _moments(written: bytes) -> list[int]:
    return [each.t for each in msgspec.json.decode(written, type=list[_Moment])]


async def _read(svc: Services, endpoint: int, name: str, moments: list[int], plan: Plan) -> _Read:
    """Which contents were known at the moments."""
    arrivals: list[Arrival] = []
    after = times.EARLIEST_MS - 1
    while some := await svc.db.read(snapshots.arrivals, endpoint, after, plan.to_ms, _AT_ONCE):
        arrivals += [Arrival(at_ms, ids.time_ms(uid), content) for at_ms, uid, content in some]
        after = some[-1][0]
        if len(arrivals) > MOST_SNAPSHOTS:
            raise TooCostly(f"{name} has more than {MOST_SNAPSHOTS} snapshots")
    known = await svc.spare_cpu(KnownContents, arrivals, plan.spec.known_by)
    rows: defaultdict[int, list[int]] = defaultdict(list)
    for row, at_ms in enumerate(moments):
        content = known.at(at_ms)
        if content is not None:
            rows[content].append(row)
    return _Read(endpoint, name, dict(rows))


async def _version(svc: Services, read: _Read) -> dict[str, Any]:
    """What the manifest says: how many documents were read, and a digest of their hashes."""
    hasher = codec.hasher()
    for content in read.rows:
        row = await svc.db.read(contents.get, read.endpoint, content)
        if row is None:
            raise _rewritten()
        hasher.update(row.hash)
    return {"endpoint": read.name, "documents": len(read.rows), "digest": hasher.hexdigest()}


async def _known(svc: Services, reads: list[_Read]) -> AsyncIterator[bytes]:
    for read in reads:
        try:
            async for content, body in contents.read_run(svc.contents, read.endpoint, sorted(read.rows)):
                yield feature_worker.encode_document(KnownDocument(read.name, read.rows[content], body))
        except NotFound:
            raise _rewritten() from None


def _rewritten() -> Conflict:
    return Conflict("an endpoint's history was rewritten while it was read: ask again")
