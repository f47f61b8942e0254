"""Every bench runs, at a tiny size and without judging a time: what stops before its last figure is found here."""

import os
import re
import subprocess
import sys

import pytest

from tests.bench.__main__ import load
from tests.bench.table import BENCHES
from tests.histories import PACKAGED, ROOT

PARTS = 2
"""The benches in so many processes, each of which imports the server once."""

load()


@pytest.mark.parametrize("part", range(PARTS))
def test_benches_run_to_their_end(part: int) -> None:
    titles = list(BENCHES)[part::PARTS]
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
