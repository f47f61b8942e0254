"""Which SQL may be run: one SELECT that reads the project's views, and nothing else that DuckDB has to read from.

The text is parsed by DuckDB itself, and its tree is looked through: every node must be one of a SELECT (WITH may hold
COPY and INSERT), every table a view or one of the text's own WITH names, every table function one that computes (so no
read_csv, glob, duckdb_settings, query ...), no function one that reads or changes what is outside of the data. DuckDB's
own locks stand behind this, and a process's limits behind those (sql/worker.py).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from delta_server.core.errors import Invalid
from delta_server.core.nearest import did_you_mean, quoted

MAX_BYTES = 100_000

_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
_REFUSED = frozenset(
    {
        "create_sort_key", "current_connection_id", "current_database", "current_query", "current_query_id",
        "current_role", "current_schema", "current_schemas", "current_setting", "current_transaction_id",
        "current_user", "currval", "getenv", "getvariable", "hive_partition_component", "in_search_path",
        "json_deserialize_sql", "json_serialize_plan", "json_serialize_sql", "nextval", "parse_duckdb_log_message",
        "pg_get_viewdef", "pg_sleep", "query", "query_table", "session_user", "setseed", "setval", "sleep_ms", "stats",
        "txid_current", "user", "vector_type", "version", "write_log",
    }
)  # fmt: skip
_OF_DUCKDB = ("duckdb_", "pg_", "pragma_", "sqlite_")
"""How the names of its catalogue begin that need no schema. WITH cannot make them the text's own: where one counts and
where the other is too fine a rule to stand alone before the catalogue."""
_SEE_NAME = frozenset({"right", "child"})
"""Where a part that has a name itself sees it: a recursive WITH behind its UNION, not before."""
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})


def views(connection: Any, text: str, known: Sequence[str]) -> frozenset[str]:
    """Those of the views `known` that `text` reads. Raises Invalid for what may not be run."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise Invalid(f"sql is longer than {MAX_BYTES} bytes", field="sql")
    tree = _tree(connection, text)
    parts = list(_parsed_nodes(tree))
    _refuse_other_statements(tree, [part for part, _ in parts])
    for part, _ in parts:
        _check_function(part)
    return frozenset(name for part, own in parts if (name := _view(part, own, known)) is not None)


def bare(text: str) -> str:
    """A text that can be read, without the semicolons and comments around its one statement, so that it can stand in
    parentheses. DuckDB says what is a comment and what is in a text."""
    import duckdb

    sent = text.encode()
    tokens = duckdb.tokenize(text)
    around = [kind == duckdb.token_type.comment or sent[at : at + 1] == b";" for at, kind in tokens]
    if all(around):
        return text
    first, end = around.index(False), len(around) - around[::-1].index(False)
    return sent[tokens[first][0] : tokens[end][0] if end < len(tokens) else None].decode()


def _tree(connection: Any, text: str) -> dict[str, Any]:
    found = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    assert found is not None
    try:
        tree: dict[str, Any] = json.loads(found[0])
    except RecursionError:
        raise Invalid("sql is nested too deep", field="sql") from None
    if tree["error"]:
        said = str(tree.get("error_message", ""))
        if said.startswith("Only SELECT"):
            said = "only a SELECT can be run"
        raise Invalid(f"sql cannot be read{_place(text, tree.get('position'))}: {said}", field="sql")
    return tree


def _place(text: str, position: object) -> str:
    """Where DuckDB stopped to understand the text, by the byte that it names."""
    if not isinstance(position, str) or not position.isdigit():
        return ""
    read = text.encode(errors="replace")[: int(position)].decode(errors="replace")
    return f" at line {read.count(chr(10)) + 1}, column {len(read) - read.rfind(chr(10))}"


def _refuse_other_statements(tree: dict[str, Any], parts: Sequence[dict[str, Any]]) -> None:
    if len(tree["statements"]) != 1:
        raise Invalid(f"sql holds {len(tree['statements'])} statements: send one SELECT", field="sql")
    types = {kind for part in parts if isinstance(kind := part.get("type"), str)}
    nodes = {kind for kind in types if kind.endswith("_NODE")}
    if not nodes <= _NODES or "SHOW_REF" in types or any("info_type" in part for part in parts):
        raise Invalid(
            "sql may only SELECT: it cannot copy, change or explain; DESCRIBE view and SHOW TABLES stand alone",
            field="sql",
        )


def _parsed_nodes(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every part of the tree, and the names that WITH has made where it stands: elsewhere they are DuckDB's own."""
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        part, own = waiting.pop()
        if isinstance(part, dict):
            for entry in part.get("cte_map", {}).get("map", ()):
                waiting.append((entry["value"], own))  # which sees those before it
                own |= {_folded(entry["key"])}
            yield part, own
            named = own | {_folded(part["cte_name"])} if isinstance(part.get("cte_name"), str) else own
            waiting.extend(
                (value, named if name in _SEE_NAME else own) for name, value in part.items() if name != "cte_map"
            )
        elif isinstance(part, list):
            waiting.extend((each, own) for each in part)


def _folded(name: str) -> str:
    """As DuckDB compares names: it turns the letters of ASCII only."""
    return name.encode(errors="replace").lower().decode()


def _view(part: dict[str, Any], own: frozenset[str], known: Sequence[str]) -> str | None:
    """The view that a part of the tree reads, None when it reads none."""
    if part.get("type") != "BASE_TABLE":
        return None
    name = str(part.get("table_name", ""))
    path = [part.get("catalog_name"), part.get("schema_name"), name]
    if any(path[:2]) or _folded(name) not in (*known, *own) or _folded(name).startswith(_OF_DUCKDB):
        qualified = ".".join(filter(None, path))
        raise Invalid(
            f"sql: there is no table {quoted(qualified)}{did_you_mean(name, known)}; there are {', '.join(known)}",
            field="sql",
        )
    return _folded(name) if _folded(name) in known else None


def _check_function(part: dict[str, Any]) -> None:
    if part.get("type") == "TABLE_FUNCTION":
        name = str(part["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            known = ", ".join(sorted(_TABLE_FUNCTIONS))
            raise Invalid(f"sql: {quoted(name)} cannot be read from; table functions are {known}", field="sql")
    called = part.get("function_name")
    if isinstance(called, str) and (called.lower() in _REFUSED or called.lower().startswith("__internal")):
        raise Invalid(f"sql: the function {quoted(called)} is not available here", field="sql")
    if isinstance(called, str) and (part.get("schema") or part.get("catalog")):
        raise Invalid(f"sql: write {quoted(called)} without a schema", field="sql")
