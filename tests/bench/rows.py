"""A comparison of two large documents in windows of rows, beside a peer that shows all of it at once."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from delta_server.core.diff.compare import DEFAULT
from delta_server.core.diff.row_table import RowTable
from delta_server.core.diff.row_windows import RowFilter, Window, matched, written
from delta_server.features.deltas.summaries import compare_as_rows
from tests.bench.diff import NODE, Peer, node_or_skip, records_of_5_mb
from tests.bench.diff import written as write_versions
from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS, compared, in_turn

WINDOW = Window(start=0, count=500, value_limit=400, text_from=0)
LATER_MS, SOUGHT_MS = 20, 200
"""What a window may take, and one of a text that was not sought before."""


@bench("rows: 20,000 changed leaves")
def changed_leaves() -> Iterator[Row]:
    node = node_or_skip()
    before = msgspec.json.encode(records_of_5_mb())
    after = msgspec.json.encode([{**record, "amount": 1 + number} for number, record in enumerate(records_of_5_mb())])
    with tempfile.TemporaryDirectory() as directory:
        path = write_versions(Path(directory), [before, after])
        rounds = in_turn(lambda: _ms(lambda: _first(before, after)), lambda: _html_ms(node, path))
    _, table = compare_as_rows(before, after, DEFAULT, ())
    note = f"{len(before) / 1e6:.1f} MB, {len(table):,} rows"
    yield compared("rows: first window of all changes", "ms", rounds, "jsondiffpatch's HTML", bar=1.0, note=note)
    every = matched(table, RowFilter())
    middle = msgspec.structs.replace(WINDOW, start=len(table) // 2)
    for what, work, bar in (
        ("a later window", lambda: written(table, every, middle), LATER_MS),
        ("filtered by field", lambda: _filtered(table, RowFilter(fields=("/*/amount",))), LATER_MS * 2),
        ("a text sought", lambda: _filtered(table, RowFilter(q="number 777")), SOUGHT_MS),
    ):
        took = min(_ms(work) for _ in range(ROUNDS))
        yield Row(f"rows: {what}", took, "ms", bar=bar, note="500 rows at most")


def _first(before: bytes, after: bytes) -> bytes:
    _, table = compare_as_rows(before, after, DEFAULT, ())
    return written(table, matched(table, RowFilter()), WINDOW)


def _filtered(table: RowTable, wanted: RowFilter) -> bytes:
    return written(table, matched(table, wanted), WINDOW)


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def _html_ms(node: str, path: Path) -> float:
    run = subprocess.run([node, NODE / "html.js", path], check=True, capture_output=True)
    return msgspec.json.decode(run.stdout, type=Peer).seconds[0] * 1e3
