"""The history of one field, read from packed contents, beside decoding every version and picking the field."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from delta_server import app
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.json import pointer, slices
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.history import service
from delta_server.features.projects import service as projects
from delta_server.features.snapshots.importing import Version, import_versions
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests import histories
from tests.bench.table import Row, bench
from tests.bench.turns import sized

ROUNDS = sized(3, 1)
ABSENT = "absent"
BENCH = "bench"
"""The project of what a bench stores."""


class _Field(msgspec.Struct, frozen=True):
    """A field of one element of an array of the document."""

    array: str
    key: str
    name: str


FIELDS = {
    "usgs-quakes": _Field("/features", "properties/url", "properties/mag"),
    "ca-fires": _Field("/Incidents", "UniqueId", "AcresBurned"),
    "hn-domain": _Field("", "id", "points"),
    "ausgrid-planned": _Field("", "WebId", "Status"),
}


@bench("history: one field")
def one_field() -> Iterator[Row]:
    for name in histories.names():
        if name in FIELDS:
            yield from asyncio.run(_measure(name, FIELDS[name]))


async def _measure(name: str, field: _Field) -> list[Row]:
    history = [Version(times.parse(line.at, field="at"), line.body.encode()) for line in histories.lines(name)]
    wanted = _element(field, history[len(history) // 2].body)
    path = f"{field.array}/{wanted}/{field.name}"
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        async with app.open_services(Config(storage=Storage(data_dir=Path(directory)))) as svc:
            endpoint = await fill(svc, name, history)
            began = time.perf_counter()
            changes = _by_decoding([version.body for version in history], field, path)
            peer = (time.perf_counter() - began) / len(history) * 1e3
            for use_index in (True, False):
                ours = min([await _seconds(svc, endpoint, path, changes, use_index) for _ in range(ROUNDS)])
                how = "by the field index" if use_index else "all contents"
                note = f"a version of {len(history)}, {changes} changes, {how}; the peer's documents are in memory"
                rows.append(Row(f"history: {name}", ours / len(history) * 1e3, "ms", peer, "msgspec, all", note=note))
            began = time.perf_counter()
            blamed = await service.blame(svc, endpoint, "", limit=1000)
            note = f"the first {len(blamed.leaves)} leaves of the latest version"
            rows.append(Row(f"blame: {name}", (time.perf_counter() - began) * 1e3, "ms", note=note))
    return rows


def _element(field: _Field, body: bytes) -> str:
    """The step to an element in the middle of the array."""
    array = pointer.resolve(body, pointer.parse(field.array))
    assert array is not None
    elements = slices.elements(bytes(array))
    step = pointer.key_step(field.key.split(","), bytes(elements[len(elements) // 2]))
    assert step is not None
    return step


async def fill(svc: Services, name: str, history: list[Version]) -> EndpointRef:
    def make(tx: Tx) -> int:
        return projects.ensure(tx, accounts.default_account(tx), BENCH).id

    project = await svc.db.write(make)
    await import_versions(svc, project, name, history, lambda done: None)
    while await deltas.compute_queued(svc):
        pass
    await maintenance.pack_everything(svc.contents)
    return endpoints.resolve(svc, project, name)


async def _seconds(svc: Services, endpoint: EndpointRef, path: str, wanted: int, use_index: bool) -> float:
    began = time.perf_counter()
    span, found = TimelineSpan(descending=False), 0
    while True:
        page = await service.get_history(svc, endpoint, path, span, limit=1000, use_index=use_index)
        found += len(page.changes)
        if page.next is None:
            assert found == wanted, f"{found} changes instead of {wanted}"
            return time.perf_counter() - began
        span = span.past(page.next)


def _by_decoding(bodies: list[bytes], field: _Field, path: str) -> int:
    """How often the value changed."""
    step = pointer.parse(path)[-1 - field.name.count("/") - 1]
    assert isinstance(step, pointer.KeyStep)
    changes = 0
    last: Any = ABSENT
    for body in bodies:
        value = _pick(msgspec.json.decode(body), field, step.values[0])
        changes += value != last
        last = value
    return changes


def _pick(document: Any, field: _Field, key: str) -> Any:
    array = _at(document, field.array)
    return next((_at(element, field.name) for element in array or () if str(_at(element, field.key)) == key), ABSENT)


def _at(value: Any, path: str) -> Any:
    for name in filter(None, path.split("/")):
        value = value.get(name)
    return value
