#!/usr/bin/env bash
# DuckDB 2.0 and Python's gc.freeze(): a program that freezes what is there after it has used DuckDB, as servers do to
# spare their collector, ends with a page of "nanobind: leaked ... instances!" on stderr, though nothing leaks: at its
# end the binding's objects are no longer the collector's to free. gc.unfreeze() before the end keeps it quiet.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install duckdb==2.0.0
said() {
    "$work/venv/bin/python" -c "
import gc, duckdb
connection = duckdb.connect()
connection.execute('SELECT 1').fetchall()
$1" 2>&1 | grep -c "leaked" || true
}
plain=$(said "pass")
frozen=$(said "gc.freeze()")
thawed=$(said "gc.freeze(); gc.unfreeze()")
echo "duckdb 2.0.0, lines with \"leaked\" on stderr: plain $plain, frozen $frozen, frozen and unfrozen $thawed"
[ "$plain" -eq 0 ] && [ "$frozen" -gt 0 ] && [ "$thawed" -eq 0 ]
