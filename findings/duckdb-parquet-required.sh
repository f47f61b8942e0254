#!/usr/bin/env bash
# DuckDB 2.0: COPY ... TO '...' (FORMAT parquet) declares a column REQUIRED where its statistics happen to know of no NULL,
# and OPTIONAL otherwise. So one and the same SELECT has two schemas, depending on what is stored and how, and pyarrow
# does not put the two files together. Adding NULL on a branch that is never taken makes the column OPTIONAL for ever.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install duckdb==2.0.0 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sys

import duckdb
import pyarrow
from pyarrow import parquet

print("duckdb", duckdb.__version__, "pyarrow", pyarrow.__version__)
connection = duckdb.connect()
connection.execute("CREATE TABLE stored AS SELECT 'x' || i AS name FROM range(10) r(i)")
connection.execute("COPY (SELECT 'x' || i AS name FROM range(10) r(i)) TO 'lines.json' (FORMAT json)")
queries = {
    "a table": "SELECT name FROM stored",
    "lines of JSON": "SELECT name FROM read_ndjson('lines.json', columns = {name: 'VARCHAR'})",
    "a table, nullable": "SELECT CASE WHEN hash(name) >= 0 THEN name END AS name FROM stored",
}
found = {}
for what, select in queries.items():
    connection.execute(f"COPY ({select}) TO 'file.parquet' (FORMAT parquet)")
    table = parquet.read_table("file.parquet")
    found[what] = table
    print(f"the same ten rows from {what}: {table.schema.field('name')}, nullable: {table.schema.field('name').nullable}")
try:
    pyarrow.concat_tables([found["a table"], found["lines of JSON"]])
    together = True
except pyarrow.ArrowInvalid as error:
    together = False
    print("pyarrow.concat_tables:", str(error).splitlines()[0])
nullable = [table.schema.field("name").nullable for table in found.values()]
sys.exit(0 if nullable == [False, True, True] and not together else 1)
PYTHON
