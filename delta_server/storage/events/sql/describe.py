"""`DESCRIBE view` and `SHOW TABLES`: answered without reading a row, and without running any text of the caller's."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from delta_server.core.errors import Invalid
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.sql import views
from delta_server.storage.sql_view import View

ALL = ""
_TABLES = re.compile(r"\s*SHOW\s+(ALL\s+)?TABLES[\s;]*", re.IGNORECASE | re.ASCII)
_VIEW = re.compile(r'\s*(DESCRIBE|DESC|SHOW)\s+(TABLE\s+)?("?)(\w+)\3[\s;]*', re.IGNORECASE | re.ASCII)


def described_view(text: str, known: Iterable[str]) -> str | None:
    """The view that `text` asks to describe, ALL for a list of them, None where it is another statement. Raises Invalid
    for a view that is not there."""
    if _TABLES.fullmatch(text):
        return ALL
    if (found := _VIEW.fullmatch(text)) is None:
        return None
    name, known = found[4].lower(), tuple(known)
    if name not in known:
        raise Invalid(
            f"sql: there is no table {quoted(found[4])}{did_you_mean(name, known)}; there are {', '.join(known)}",
            field="sql",
        )
    return name


def rows(connection: Any, read_view: ReadView, name: str, owned: Mapping[str, View]) -> list[dict[str, str]]:
    if name == ALL:
        return [{"name": each} for each in (*views.OWN, *owned)]
    empty = select(read_view, name, owned)
    described = connection.execute(f"SELECT * FROM ({empty}) LIMIT 0").description
    return [{"column_name": column, "column_type": str(kind)} for column, kind, *_ in described]


def select(read_view: ReadView, name: str, owned: Mapping[str, View]) -> str:
    """What has the view's columns, and no rows."""
    if name == "events":
        return views.no_events(read_view)
    if name in views.NO_HISTORIES:
        return views.NO_HISTORIES[name]
    return views.NO_DOCUMENTS if name == "documents" else _empty(owned[name])


def _empty(view: View) -> str:
    columns = ", ".join(f"NULL::{kind} AS {column}" for column, kind in view.columns.items())
    return f"SELECT {view.shown} FROM (SELECT {columns})"
