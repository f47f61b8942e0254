"""What the tests of `import` and `export` share: running the command, and looking at what it stored."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner, Result

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.storage.opened import FAST


class Stored(NamedTuple):
    captured_at: str
    body: bytes
    source: str | None
    metadata: str | None = None


def imported(*arguments: str, endpoint: str = "e", code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["import", "--endpoint", endpoint, *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def counts(result: Result) -> tuple[int, int, int]:
    """(stored, there already, refused)."""
    words = result.stdout.replace(",", "").split()
    return int(words[1]), int(words[words.index("were") - 1]), int(words[words.index("refused") - 1])


def stored(endpoint: str = "e", project: str = "default") -> list[Stored]:
    """What is in ./delta-data, oldest first; no delta may wait."""

    async def read() -> list[Stored]:
        config = Config(storage=Storage(data_dir=Path("delta-data")))
        async with delta_app.open_services(config, tuning=FAST) as services:
            assert services.db.peek(deltas.queue_length) == 0
            return await timeline(services, await services.db.write(project_id, project), endpoint)

    return asyncio.run(read())


def project_id(tx: Tx, name: str) -> int:
    return projects.ensure(tx, accounts.default_account(tx), name).id


async def timeline(svc: Services, project: int, endpoint: str) -> list[Stored]:
    found = endpoints.resolve(svc, project, endpoint)
    rows = await snapshots.list_snapshots(
        svc, project, found, TimelineSpan(descending=False), limit=10_000, changed_only=False
    )
    return [
        Stored(times.format(row.captured_at), await snapshots.read_document(svc, row), row.source, row.metadata)
        for row in rows
    ]


def line(at: str, body: str) -> bytes:
    return json.dumps({"at": at, "body": body}).encode() + b"\n"


def second(moment: float) -> str:
    return f"2020-01-01T{int(moment) // 3600:02}:{int(moment) // 60 % 60:02}:{moment % 60:06.3f}Z"


def sentences(errors: str) -> str:
    """What a command says, without what it logs of slow writes: how long one takes is the machine's doing."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.startswith("slow write"))
