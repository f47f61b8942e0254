#!/usr/bin/env bash
# A text column with Parquet's logical type JSON (as DuckDB writes its JSON type) is Binary in polars 2.1: its string
# functions, str.json_path_match among them, raise. pandas and DuckDB read text, pyarrow extension<arrow.json>. Written as
# plain strings, all four read text. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import sys

import duckdb
import polars
import pyarrow
from pyarrow import parquet

print("polars", polars.__version__, "pyarrow", pyarrow.__version__, "duckdb", duckdb.__version__)
types = {}
for kind in ("JSON", "VARCHAR"):
    duckdb.execute(f"COPY (SELECT '{{\"price\": 5}}'::{kind} AS data) TO '{kind}.parquet' (FORMAT parquet)")
    frame = polars.read_parquet(f"{kind}.parquet")
    try:
        price = frame.select(polars.col("data").str.json_path_match("$.price")).item()
    except polars.exceptions.PolarsError as error:
        price = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    types[kind] = frame.schema["data"]
    print(f"{kind}: polars {types[kind]}, pyarrow {parquet.read_table(f'{kind}.parquet').schema.field('data').type};",
          f"json_path_match: {price}")
sys.exit(0 if types == {"JSON": polars.Binary, "VARCHAR": polars.String} else 1)
PYTHON
