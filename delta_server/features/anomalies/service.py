"""Anomalies that were found."""

from collections.abc import Mapping

from delta_server.core import ids
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.anomalies import schemas, store
from delta_server.features.anomalies.following import News as News
from delta_server.features.anomalies.following import Recorded as Recorded
from delta_server.features.anomalies.following import newest_change as newest_change
from delta_server.features.anomalies.following import news as news
from delta_server.features.anomalies.following import next_look as next_look
from delta_server.features.anomalies.following import recorded as recorded
from delta_server.features.anomalies.following import watch as watch
from delta_server.features.anomalies.schemas import Anomaly
from delta_server.features.anomalies.schemas import text as text
from delta_server.features.anomalies.store import AnomalyRow as AnomalyRow
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import NamedEndpoint
from delta_server.services import Services
from delta_server.storage.database import Tx

Listed = tuple[tuple[int, int], Anomaly]
"""When it began and its row, and itself."""


async def list_anomalies(
    svc: Services,
    project: int,
    span: TimelineSpan,
    *,
    endpoint: str | None,
    only: Mapping[str, str | None],
    is_open: bool | None,
    limit: int,
) -> list[Listed]:
    """Up to `limit`, the newest first; `only` has what chooses them. Raises NotFound for an unknown endpoint."""
    chosen = {name: value for name, value in only.items() if value is not None}
    return await svc.db.read(_list, project, span, endpoint, chosen, is_open, limit)


def _list(
    tx: Tx,
    project: int,
    span: TimelineSpan,
    endpoint: str | None,
    only: Mapping[str, str],
    is_open: bool | None,
    limit: int,
) -> list[Listed]:
    of = None if endpoint is None else endpoints.find(tx, project, endpoint).id
    rows = store.page(tx, project, span, endpoint=of, only=only, is_open=is_open, limit=limit)
    names: dict[int, NamedEndpoint | None] = {}
    for id in {row.endpoint for row in rows} - {store.EVENTS}:
        ref = endpoints.by_row(tx, project, id)
        names[id] = None if ref is None else NamedEndpoint(ids.text(ref.uid), ref.name)
    return [((row.began_at, row.id), schemas.anomaly(row, names.get(row.endpoint))) for row in rows]
