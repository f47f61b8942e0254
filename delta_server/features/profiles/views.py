"""What SQL sees of profiles."""

from delta_server.storage.sql_view import View, time

PROFILES = View(
    "SELECT json_object('kind', kind, 'id', name, 'traits', traits, 'first_seen_at', first_seen_at,"
    " 'last_seen_at', last_seen_at) FROM profile WHERE project = ?",
    {
        "kind": "VARCHAR", "id": "VARCHAR", "traits": "VARCHAR", "first_seen_at": "BIGINT",
        "last_seen_at": "BIGINT",
    },
    f"kind, id, traits::JSON AS traits, {time('first_seen_at')}, {time('last_seen_at')}",
)  # fmt: skip
