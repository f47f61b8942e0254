"""Which schema an endpoint's documents are held against, and what that would refuse."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.core.errors import Invalid
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.schemas import json_schema, steps
from delta_server.core.schemas.presenting import presented
from delta_server.core.sync import record_schema
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.enforcement.service import Rule
from delta_server.features.schemas import service
from delta_server.features.schemas.enforcement_schemas import (
    Enforcement,
    EnforcementChange,
    MisfitCount,
    SchemaTrial,
    SchemaTry,
)
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_PLACES = 50
TRIED_BYTES = 64 << 20
"""Of documents that are tried together."""


def shown(svc: Services, endpoint: EndpointRef) -> Enforcement:
    rule = enforcement.rule_of(svc, endpoint.id)
    if rule is None:
        return Enforcement("off", None, None, None)
    return Enforcement(rule.mode, rule.source, msgspec.Raw(rule.schema.encode()), times.format(rule.changed_at))


async def change(svc: Services, endpoint: EndpointRef, wanted: EnforcementChange) -> Enforcement:
    """Raises Invalid for what is no schema, NotFound where none is known yet."""
    if wanted.mode == "off":
        if wanted.schema is not UNSET:
            raise Invalid("with the mode off there is no schema", field="schema")
        rule = Rule("off", "given", "", svc.clock.now_ms())
    else:
        schema, source = await _schema(svc, endpoint, wanted.schema)
        rule = Rule(wanted.mode, source, schema, svc.clock.now_ms())
    await enforcement.set_rule(svc, endpoint, rule)
    return shown(svc, endpoint)


async def attempt(svc: Services, project: int, endpoint: EndpointRef, wanted: SchemaTry) -> SchemaTrial:
    """The last documents against a schema. Raises as `change`."""
    schema, _ = await _schema(svc, endpoint, wanted.schema)
    span = TimelineSpan(times.EARLIEST_MS, times.LATEST_MS + 1, None, descending=True)
    rows = await svc.db.read(_last, project, endpoint, span, wanted.last)
    found: Counter[str] = Counter()
    examples: dict[str, str] = {}
    tried, size, refused = 0, 0, list[str]()
    for row in rows:
        size += row.size
        if tried and size > TRIED_BYTES:
            break
        tried += 1
        [misfits] = await enforcement.misfits_of(svc, schema, [await snapshots.read_document(svc, row)])
        if misfits:
            refused.append(ids.text(row.uid))
        for path in {_pattern(misfit.path): misfit.reason for misfit in misfits}.items():
            found[path[0]] += 1
            examples.setdefault(*path)
    places = [MisfitCount(path, count, examples[path]) for path, count in found.most_common(MOST_PLACES)]
    return SchemaTrial(tried=tried, refused=len(refused), snapshots=refused[:MOST_PLACES], places=places)


def _last(tx: Tx, project: int, endpoint: EndpointRef, span: TimelineSpan, count: int) -> list[snapshots.Snapshot]:
    return snapshots.page_of(tx, project, endpoint.id, span, count)


def _pattern(path: str) -> str:
    """A place whatever the index."""
    return "/".join("*" if step.isdigit() else step for step in path.split("/"))


async def _schema(
    svc: Services, endpoint: EndpointRef, given: Mapping[str, Any] | UnsetType
) -> tuple[str, enforcement.SchemaSource]:
    if given is not UNSET:
        return await svc.cpu(record_schema.check, given), "given"
    known = await service.known_schema(svc, endpoint, None)
    return await svc.cpu(_frozen, known.shape), "inferred"


def _frozen(shape: bytes) -> str:
    return record_schema.check(json_schema.frozen(presented(steps.unpacked(shape))))
