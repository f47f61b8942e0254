"""A project's own settings for its events."""

from delta_server.storage.database import Tx


def retention(tx: Tx, project: int) -> str:
    """JSON, `{}` for the server's defaults."""
    row = tx.one("SELECT retention FROM event_settings WHERE project = ?", project)
    return row[0] if row else "{}"


def put_retention(tx: Tx, project: int, retention: str) -> None:
    tx.run(
        "INSERT INTO event_settings (project, retention) VALUES (?, ?)"
        " ON CONFLICT (project) DO UPDATE SET retention = excluded.retention",
        project,
        retention,
    )
