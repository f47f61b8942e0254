"""Every bench runs, at a tiny size and without judging a time: what stops before its last figure is found here.

Each run of the tests takes another twelfth of them, by chance, and all with DELTA_FUZZ: they are the dearest of all
tests, and what they find is a bench that is broken, never a server that is.
"""

import os
import random
import re
import subprocess
import sys

from tests.bench.__main__ import load
from tests.bench.table import BENCHES
from tests.histories import PACKAGED, ROOT
from tests.often import FUZZ

PARTS = 12
"""The benches in so many processes, each of which imports the server once; one of them unless there is DELTA_FUZZ."""

load()


def test_benches_run_to_their_end() -> None:
    for part in range(PARTS) if FUZZ > 1 else [random.randrange(PARTS)]:
        print(f"the benches {part}, {part + PARTS}, ...")
        _run(list(BENCHES)[part::PARTS])


def _run(titles: list[str]) -> None:
    tiny = {"DELTA_BENCH_TINY": "1", "DELTA_HISTORIES": str(PACKAGED)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", *titles],
        cwd=ROOT,
        env={**os.environ, **tiny},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = re.split(r"^  \((.*): [0-9.]+ s, load .*\)\n", run.stdout.partition("\n")[2], flags=re.MULTILINE)
    assert told[1::2] == titles
    assert all(told[:-1:2]), run.stdout
