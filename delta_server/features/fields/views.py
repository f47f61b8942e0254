"""What SQL sees of fields."""

from delta_server.storage.sql_view import View, time, uuid

FIELDS = View(
    "SELECT json_object('endpoint_id', lower(hex(e.uid)), 'endpoint', e.name, 'path', f.pattern,"
    " 'changes', f.changes, 'last_changed_at',"
    " coalesce(f.changed_at, (SELECT max(captured_at) FROM field_change WHERE field = f.id)))"
    " FROM endpoint e JOIN field f ON f.endpoint = e.id WHERE e.project = ? AND e.deleted_at IS NULL",
    {
        "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "path": "VARCHAR", "changes": "BIGINT",
        "last_changed_at": "BIGINT",
    },
    f"{uuid('endpoint_id')}, endpoint, path, changes, {time('last_changed_at')}",
)  # fmt: skip
