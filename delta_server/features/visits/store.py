"""What projects keep of visits, and the salts of today."""

from delta_server.storage.database import Tx


def settings(tx: Tx, project: int) -> str:
    """JSON, `{}` where nothing was set."""
    row = tx.one("SELECT settings FROM visit_settings WHERE project = ?", project)
    return row[0] if row else "{}"


def put_settings(tx: Tx, project: int, settings: str) -> None:
    tx.run(
        "INSERT INTO visit_settings (project, settings) VALUES (?, ?)"
        " ON CONFLICT (project) DO UPDATE SET settings = excluded.settings",
        project,
        settings,
    )


def salt(tx: Tx, project: int, day: int) -> bytes | None:
    """Sealed."""
    row = tx.one("SELECT sealed FROM visit_salt WHERE project = ? AND day = ?", project, day)
    return row[0] if row else None


def replace_salt(tx: Tx, project: int, day: int, sealed: bytes) -> None:
    """Those of other days go."""
    tx.run("DELETE FROM visit_salt WHERE project = ?", project)
    tx.run("INSERT INTO visit_salt (project, day, sealed) VALUES (?, ?, ?)", project, day, sealed)


def delete_salts_before(tx: Tx, day: int, limit: int) -> int:
    """How many were deleted."""
    return tx.run(
        "DELETE FROM visit_salt WHERE (project, day) IN (SELECT project, day FROM visit_salt WHERE day < ? LIMIT ?)",
        day,
        limit,
    )


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project: at most three rows. False when there are none."""
    salts = tx.run("DELETE FROM visit_salt WHERE project = ?", project)
    return salts + tx.run("DELETE FROM visit_settings WHERE project = ?", project) > 0
