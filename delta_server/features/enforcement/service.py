"""Documents held against the schema of their endpoint, before they are stored."""

import asyncio
from collections.abc import Sequence

import msgspec
import zstandard

from delta_server.core import ids, times
from delta_server.core.errors import Conflict, DoesNotFit, FieldError, NotFound, TooCostly
from delta_server.core.packs import codec
from delta_server.core.schemas import fitting
from delta_server.core.schemas.fitting import Misfit
from delta_server.core.sync import record_schema
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.features.enforcement import store
from delta_server.features.enforcement.store import KeptAside as KeptAside
from delta_server.features.enforcement.store import Mode as Mode
from delta_server.features.enforcement.store import Rule as Rule
from delta_server.features.enforcement.store import SchemaSource as SchemaSource
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx, frees_space

VIOLATED = "schema.violated"
MOST_S = 20.0
_MOST_KEPT_BYTES = 1 << 30


class Enforced:
    """Which endpoints have a rule, read once: most have none. Used on the event loop only."""

    def __init__(self) -> None:
        self.endpoints: frozenset[int] | None = None


class SchemaViolated(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint
    snapshot_id: str
    captured_at: str
    misfits: Sequence[Misfit]


def rule_of(svc: Services, endpoint: int) -> Rule | None:
    known = svc.state(Enforced)
    if known.endpoints is None:
        known.endpoints = svc.db.peek(store.endpoints_with_rules)
    return svc.db.peek(store.rule, endpoint) if endpoint in known.endpoints else None


async def set_rule(svc: Services, endpoint: EndpointRef, rule: Rule) -> None:
    """Raises NotFound."""
    await svc.db.write(_set, endpoint, rule)
    svc.state(Enforced).endpoints = None


def _set(tx: Tx, endpoint: EndpointRef, rule: Rule) -> None:
    endpoints.confirm(tx, endpoint)
    if rule.mode == "off":
        store.remove(tx, endpoint.id)
    else:
        store.put(tx, endpoint.id, rule)


async def check(svc: Services, documents: Sequence[tuple[EndpointRef | str, bytes]]) -> list[Sequence[Misfit]]:
    """Of each document what does not fit, where that is only a warning. Raises DoesNotFit, TooCostly."""
    found: list[Sequence[Misfit]] = [()] * len(documents)
    for number, (endpoint, body) in enumerate(documents):
        rule = None if isinstance(endpoint, str) else rule_of(svc, endpoint.id)
        if rule is None:
            continue
        [misfits] = await misfits_of(svc, rule.schema, [body])
        if misfits and rule.mode == "reject":
            raise _refusal(misfits, number if len(documents) > 1 else None)
        found[number] = misfits
    return found


async def misfits_of(svc: Services, schema: str, bodies: Sequence[bytes]) -> list[list[Misfit]]:
    """Raises TooCostly."""
    is_quick = record_schema.is_quick(schema, [len(body) for body in bodies])
    try:
        return await asyncio.wait_for(
            (svc.cpu if is_quick else svc.processes)(fitting.misfits_of, schema, bodies), MOST_S
        )
    except TimeoutError:
        raise TooCostly("checking the document against the endpoint's schema takes too long") from None


def _refusal(misfits: Sequence[Misfit], number: int | None) -> DoesNotFit:
    place = misfits[0].path or "the top"
    which = "the document" if number is None else f"snapshot {number}"
    begin = "data" if number is None else f"snapshots[{number}].data"
    errors = [FieldError(f"{begin}{each.path}", each.reason) for each in misfits]
    return DoesNotFit(f"{which} does not fit the endpoint's schema: at {place}: {misfits[0].reason}", errors=errors)


def note(tx: Tx, endpoint: EndpointRef, snapshot: bytes, captured_at: int, misfits: Sequence[Misfit]) -> None:
    """Write to the outbox that it was stored all the same, where it has misfits."""
    if misfits:
        named = NamedEndpoint(ids.text(endpoint.uid), endpoint.name)
        said = SchemaViolated(named, ids.text(snapshot), times.format(captured_at), misfits)
        outbox.write(tx, endpoint.project, VIOLATED, msgspec.json.encode(said).decode())


async def keep_aside(svc: Services, endpoint: EndpointRef, body: bytes, error: DoesNotFit) -> None:
    """A polled document that was refused."""
    misfits = [Misfit(each.field.removeprefix("data"), each.message) for each in error.errors]
    packed = await svc.cpu_beside(len(body))(zstandard.ZstdCompressor(level=3, write_checksum=True).compress, body)
    await svc.db.write(_keep, endpoint, body, packed, msgspec.json.encode(misfits).decode())


def _keep(tx: Tx, endpoint: EndpointRef, body: bytes, packed: bytes, misfits: str) -> None:
    endpoints.confirm(tx, endpoint)
    store.keep_aside(
        tx, endpoint.id, captured_at=tx.now_ms, size=len(body), hash=codec.digest(body), misfits=misfits, body=packed
    )


async def kept_named(svc: Services, endpoint: EndpointRef, uids: Sequence[bytes]) -> list[KeptAside]:
    """Those of these that are there, accepted or not, the first first."""
    return await svc.db.read(store.kept_named, endpoint.id, uids)


def accept(tx: Tx, endpoint: EndpointRef, kept: KeptAside, snapshot: bytes) -> None:
    """In the transaction that stores it. Raises Conflict."""
    if not store.accept(tx, endpoint.id, kept.id, snapshot):
        raise Conflict("it was accepted or discarded meanwhile")
    audit.record_in(tx, endpoint.project, "kept_aside.accept", target=_target(kept.uid), name=endpoint.name)


async def discard(svc: Services, endpoint: EndpointRef, uid: bytes | None) -> None:
    """One that was kept aside, or all of them. Raises NotFound."""
    await svc.db.write(_discard, endpoint, uid)


@frees_space
def _discard(tx: Tx, endpoint: EndpointRef, uid: bytes | None) -> None:
    endpoints.confirm(tx, endpoint)
    if uid is not None and not store.discard(tx, endpoint.id, uid):
        raise not_kept()
    if uid is None and not store.discard_all(tx, endpoint.id):
        return
    target = f"endpoint {ids.text(endpoint.uid)}" if uid is None else _target(uid)
    audit.record_in(tx, endpoint.project, "kept_aside.discard", target=target, name=endpoint.name)


def _target(uid: bytes) -> str:
    return f"kept document {ids.text(uid)}"


def not_kept() -> NotFound:
    return NotFound("no such document is kept aside: GET .../schema/kept-aside lists them")


async def list_kept(svc: Services, endpoint: EndpointRef, before: int, limit: int) -> list[KeptAside]:
    return await svc.db.read(store.kept_aside, endpoint.id, before, limit)


async def kept_document(svc: Services, endpoint: EndpointRef, uid: bytes) -> bytes | None:
    packed = await svc.db.read(store.kept_body, endpoint.id, uid)
    if packed is None:
        return None
    decompress = zstandard.ZstdDecompressor().decompress
    return await svc.cpu_beside(len(packed))(decompress, packed, _MOST_KEPT_BYTES)
