"""What SQL sees of snapshots."""

from delta_server.storage.sql_view import View, time, uuid

SNAPSHOTS = View(
    "SELECT json_object('id', lower(hex(s.uid)), 'endpoint_id', lower(hex(e.uid)), 'endpoint', e.name,"
    " 'captured_at', s.captured_at, 'size_bytes', c.size, 'content_hash', lower(hex(c.hash)),"
    " 'unchanged', json(iif(s.captured_at > c.captured_at, 'true', 'false')), 'source', s.source,"
    " 'metadata', s.metadata) FROM endpoint e JOIN snapshot s ON s.endpoint = e.id"
    " JOIN content c ON c.id = s.content WHERE e.project = ? AND e.deleted_at IS NULL",
    {
        "id": "VARCHAR", "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "captured_at": "BIGINT",
        "size_bytes": "BIGINT", "content_hash": "VARCHAR", "unchanged": "BOOLEAN", "source": "VARCHAR",
        "metadata": "VARCHAR",
    },
    f"{uuid('id')}, {uuid('endpoint_id')}, endpoint, {time('captured_at')}, size_bytes,"
    " content_hash, unchanged, source, metadata::JSON AS metadata",
)  # fmt: skip
