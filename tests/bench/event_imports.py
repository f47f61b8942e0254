"""Importing an access log of nginx into an empty directory, by the command line. A fifth of a million lines; a whole
million with DELTA_BENCH_LARGE=1."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.bench.table import Row, bench
from tests.bench.turns import TINY
from tests.server_process import FROM_SOURCE, environment

MILLION = 1_000_000
LINES = 500 if TINY else MILLION if os.environ.get("DELTA_BENCH_LARGE") else 200_000
LIMIT_S = 20
"""For a million lines."""

_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
_AGENTS = [*(_AGENT.format(version) for version in range(90, 130)), "curl/8.5.0", "Googlebot/2.1"]
_PATHS = ["/", "/pricing", "/style.css", "/app.js", *(f"/items/{number}" for number in range(2000))]
_REFERRERS = ["-", "https://www.google.com/", "https://news.example/a?b=c", "https://shop.example/"]
_PER_S = 12


@bench("events import: a log of nginx")
def log_of_nginx() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "access.log"
        path.write_text("".join(_lines()), encoding="ascii")
        began = time.perf_counter()
        done = subprocess.run(
            [*FROM_SOURCE, "events", "import", "nginx", str(path)],
            cwd=directory,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        took = time.perf_counter() - began
    assert f"{LINES:,} events stored" in done.stdout, done.stdout
    note = f"{LINES:,} lines were read in {took:.1f} s; GoatCounter is neither in Debian nor on PyPI or npm"
    yield Row("events import: 1M lines of an nginx log", took * MILLION / LINES, "s", bar=LIMIT_S, note=note)


def _lines() -> Iterator[str]:
    random = Random(1)
    for number in range(LINES):
        second = number // _PER_S
        at = f"{1 + second // 86400 % 28:02}/May/2026:{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        address = f"{random.randrange(1, 220)}.{random.randrange(256)}.{random.randrange(256)}.7"
        asked = f"GET {random.choice(_PATHS)}{random.choice(['', '', '?utm_source=news&a=1'])} HTTP/1.1"
        rest = f'{random.choice([200, 200, 304, 404])} {random.randrange(100, 90_000)} "{random.choice(_REFERRERS)}"'
        yield f'{address} - - [{at} +0000] "{asked}" {rest} "{random.choice(_AGENTS)}"\n'
