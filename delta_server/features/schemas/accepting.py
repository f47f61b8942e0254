"""Polled documents that did not fit and were kept aside, stored after all."""

from collections.abc import Sequence
from functools import partial

from delta_server.core import ids
from delta_server.core.errors import Conflict, DeltaError, NotFound
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.enforcement import service as enforcement
from delta_server.features.enforcement.service import KeptAside
from delta_server.features.polling import service as polling
from delta_server.features.schemas.enforcement_schemas import AcceptedDocument
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

_NO_LIMIT = 1 << 62


async def accept(svc: Services, endpoint: EndpointRef, uids: Sequence[bytes] | None) -> list[AcceptedDocument]:
    """One after the other in the order they were polled, all of them without `uids`; each is stored in a transaction
    of its own. Raises NotFound for one that is not there."""
    if uids is None:
        kept = (await enforcement.list_kept(svc, endpoint, _NO_LIMIT, _NO_LIMIT))[::-1]
    else:
        kept = await enforcement.kept_named(svc, endpoint, list(dict.fromkeys(uids)))
        if len(kept) < len(set(uids)):
            raise enforcement.not_kept()
    return [await _accepted(svc, endpoint, row) for row in kept]


async def _accepted(svc: Services, endpoint: EndpointRef, kept: KeptAside) -> AcceptedDocument:
    id = ids.text(kept.uid)
    if kept.snapshot is not None:
        return AcceptedDocument(id, ids.text(kept.snapshot))
    try:
        return AcceptedDocument(id, await _store(svc, endpoint, kept))
    except NotFound:
        raise  # the endpoint has been deleted meanwhile
    except DeltaError as error:
        if error.status >= 500:
            raise
        if isinstance(error, Conflict):
            for now in await enforcement.kept_named(svc, endpoint, [kept.uid]):
                if now.snapshot is not None:
                    return AcceptedDocument(id, ids.text(now.snapshot))
        return AcceptedDocument(id, None, error.code, error.message)


async def _store(svc: Services, endpoint: EndpointRef, kept: KeptAside) -> str:
    """As the poll would have stored it, at its time. What it does not fit by now is said as where the mode is warn."""
    body = await enforcement.kept_document(svc, endpoint, kept.uid)
    if body is None:
        raise Conflict("it was accepted or discarded meanwhile")
    rule = enforcement.rule_of(svc, endpoint.id)
    [misfits] = [[]] if rule is None else await enforcement.misfits_of(svc, rule.schema, [body])
    new = NewSnapshot(
        endpoint,
        body,
        kept.captured_at,
        polling.SOURCE_NAME,
        checked=True,
        misfits=misfits,
        companion=partial(_mark, endpoint, kept),
    )
    created = await snapshots.create_snapshots(svc, endpoint.project, [new], IdempotencyKey.none(), enforced=False)
    return created.ids[0]


def _mark(endpoint: EndpointRef, kept: KeptAside, tx: Tx, snapshot: bytes) -> None:
    enforcement.accept(tx, endpoint, kept, snapshot)
