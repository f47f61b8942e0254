"""What SQL sees of deltas."""

from delta_server.features.deltas.rows import KINDS
from delta_server.storage.sql_view import View, time, uuid

DELTAS = View(
    "SELECT json_object('snapshot_id', lower(hex(s.uid)), 'endpoint_id', lower(hex(e.uid)), 'endpoint', e.name,"
    " 'captured_at', c.captured_at, 'kind', d.kind, 'added', d.added, 'removed', d.removed,"
    " 'replaced', d.replaced, 'moved', d.moved, 'similarity_score', d.similarity)"
    " FROM endpoint e JOIN content c ON c.endpoint = e.id AND c.dead = 0 JOIN delta d ON d.content = c.id"
    " JOIN snapshot s ON s.endpoint = e.id AND s.captured_at = c.captured_at"
    " WHERE e.project = ? AND e.deleted_at IS NULL",
    {
        "snapshot_id": "VARCHAR", "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "captured_at": "BIGINT",
        "kind": "INTEGER", "added": "BIGINT", "removed": "BIGINT", "replaced": "BIGINT", "moved": "BIGINT",
        "similarity_score": "DOUBLE",
    },
    f"{uuid('snapshot_id')}, {uuid('endpoint_id')}, endpoint, {time('captured_at')},"
    f" {list(KINDS)}[kind + 1] AS kind, added, removed, replaced, moved,"
    " added + removed + replaced + moved AS changes_count, similarity_score / 1e6 AS similarity_score",
)  # fmt: skip
