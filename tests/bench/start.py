"""How much a server that does nothing costs: start, memory, size on disk."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.bench.table import Row, Skip, bench
from tests.bench.turns import sized
from tests.server_process import BINARY, FROM_SOURCE, ROOT, Server, serving

STARTS = sized(5, 1)
MB = 1_000_000


@bench("server: start and idle memory")
def server() -> Iterator[Row]:
    starts, memory = _started(FROM_SOURCE)
    yield Row("start to first 200 on /healthz", starts, "s", bar=1.0, note=f"median of {STARTS}, empty database")
    yield Row("idle memory (RSS)", memory, "MB", bar=90)


@bench("executable: size and start")
def executable() -> Iterator[Row]:
    path = Path(BINARY[0])
    if not path.exists():
        raise Skip("make build makes dist/delta-server")
    newest = max(source.stat().st_mtime for source in (ROOT / "delta_server").rglob("*.py"))
    stale = "older than the source: make build" if path.stat().st_mtime < newest else ""
    starts, memory = _started(BINARY)
    yield Row("executable: size", path.stat().st_size / MB, "MB", bar=60, note=stale)
    yield Row("executable: start to first 200", starts, "s", bar=1.0, note=f"median of {STARTS}, unpacks itself")
    yield Row("executable: idle memory (RSS, both processes)", memory, "MB", bar=90)


def _started(command: Sequence[str]) -> tuple[float, float]:
    """(median seconds to the first answer, MB of memory then)."""
    _start(command)  # once unmeasured: an installed server has its bytecode
    seen = [_start(command) for _ in range(STARTS)]
    return median(seconds for seconds, _ in seen), median(memory for _, memory in seen)


def _start(command: Sequence[str]) -> tuple[float, float]:
    cached = {"PYTHONDONTWRITEBYTECODE": ""}
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory), command=command, **cached) as running:
        return _measured(running)


def _measured(running: Server) -> tuple[float, float]:
    figures = running.first_answer_s, running.memory_bytes() / MB
    running.stop()
    return figures
