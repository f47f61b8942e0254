"""Every bench runs, at a tiny size and without judging a time: what stops before its last figure is found here."""

import os
import subprocess
import sys

import pytest

from tests.bench.__main__ import load
from tests.bench.table import BENCHES
from tests.histories import PACKAGED, ROOT

load()


@pytest.mark.parametrize("title", BENCHES)
def test_a_bench_runs_to_its_end(title: str) -> None:
    tiny = {"DELTA_BENCH_TINY": "1", "DELTA_HISTORIES": str(PACKAGED)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", title],
        cwd=ROOT,
        env={**os.environ, **tiny},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    if "skipped: " in run.stdout:
        pytest.skip(run.stdout.partition("skipped: ")[2].splitlines()[0])
    assert not run.stdout.splitlines()[-1].startswith("0 rows"), run.stdout
