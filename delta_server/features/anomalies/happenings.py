"""`anomaly.found`, written in the transaction that stores the anomaly, once for each. Of what is longer ago than a
day nobody hears: a history that is sent in later is no news."""

from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.features.anomalies import schemas
from delta_server.features.anomalies.schemas import Anomaly
from delta_server.features.anomalies.store import AnomalyRow
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.storage import outbox
from delta_server.storage.database import Tx

FOUND = "anomaly.found"
LATE_MS = times.DAY_MS


class AnomalyFound(msgspec.Struct, frozen=True, omit_defaults=True):
    anomaly: Anomaly
    endpoint: NamedEndpoint | None = None


def found(tx: Tx, project: int, endpoint: EndpointRef | None, rows: Sequence[AnomalyRow]) -> bool:
    """Whether any is news."""
    named = None if endpoint is None else NamedEndpoint(ids.text(endpoint.uid), endpoint.name)
    news = [row for row in rows if row.peak_at >= tx.now_ms - LATE_MS]
    for row in news:
        said = AnomalyFound(schemas.anomaly(row, named), named)
        outbox.write(tx, project, FOUND, msgspec.json.encode(said).decode())
    return bool(news)
