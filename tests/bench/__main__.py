"""Run the benches and print one table: `python -m tests.bench [PATTERN ...]`. Exits 1 when a bar is missed.

Every module beside this one is imported; each row prints as soon as it is measured. A ratio of rounds taken in turn
is their median, with the lowest and the highest behind it; the load is the machine's over the last minute. With
DELTA_BENCH_TINY=1 all sizes are tiny and no bar is judged.
"""

import importlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from tests.bench.table import BENCHES, Bench, Row, Skip
from tests.bench.turns import TINY

_COLUMNS = "{:<52} {:>14} {:>14} {:>20} {:>12}  {:<6} {}"


def load() -> None:
    """Import every module beside this one, so that BENCHES is whole."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("__"):
            importlib.import_module(f"tests.bench.{path.stem}")


def main(*patterns: str) -> int:
    load()
    chosen = {title: bench for title, bench in BENCHES.items() if any(_matches(title, each) for each in patterns)}
    if not chosen:
        print(f"no bench is called {' or '.join(patterns)}; there are:", *BENCHES, sep="\n  ")
        return 2
    print(_COLUMNS.format("row", "ours", "peer", "ratio", "bar", "", "note"))
    rows = [row for title, bench in chosen.items() for row in _run(title, bench)]
    missed = [row.name for row in rows if row.reached is False and not TINY]
    print(f"{len(rows)} rows, {len(missed)} below their bar" + "".join(f"\n  {name}" for name in missed))
    return 1 if missed else 0


def _matches(title: str, pattern: str) -> bool:
    return pattern.lower() in title.lower() or fnmatch(title.lower(), pattern.lower())


def _run(title: str, bench: Bench) -> Iterator[Row]:
    started = time.perf_counter()
    try:
        measured = bench()
        for row in [measured] if isinstance(measured, Row) else _checked(title, measured):
            print(_line(row), flush=True)
            yield row
    except Skip as reason:
        print(f"{title:<52} skipped: {reason}", flush=True)
    print(f"  ({title}: {time.perf_counter() - started:.1f} s, load {os.getloadavg()[0]:.1f})", flush=True)


def _checked(title: str, rows: Iterable[Row] | None) -> Iterable[Row]:
    if rows is None:
        raise TypeError(f"the bench {title!r} answered None; it must answer Rows")
    return rows


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
    if row.ratios:
        ratio += f" ({min(row.ratios):.3g}-{max(row.ratios):.3g})"
    peer = "" if row.peer is None else f"{_number(row.peer)} {row.unit}"
    bar = "" if row.bar is None else f"{'>=' if row.at_least else '<='} {row.bar:g}"
    if bar:
        bar += f" {row.unit}" if row.bar_on == "ours" or row.ratio is None else "x"
    verdict = {True: "ok", False: "MISSED", None: ""}[row.reached]
    note = "; ".join(part for part in (f"peer: {row.peer_name}" if row.peer_name else "", row.note) if part)
    return _COLUMNS.format(row.name, f"{_number(row.ours)} {row.unit}", peer, ratio, bar, verdict, note).rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [""]))
