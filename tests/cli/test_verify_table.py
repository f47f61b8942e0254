"""`verify-table`: a training table that is made again as it was, and one that is not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from delta_server import app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.core.events.event import Event
from delta_server.core.tables.training import TrainingSpec
from delta_server.features.accounts import service as accounts
from delta_server.features.exports import training
from delta_server.features.projects import service as projects
from delta_server.storage.sqlite.options import Storage
from tests.storage.opened import FAST, START_MS

SPEC = {
    "labels": {"event_type": "buy", "to": "2026-02-01"},
    "features": [{"name": "views", "event_type": "view", "window": "1d"}],
}


async def _fill(data_dir: Path, kinds: list[str], *, first: int = 0) -> Any:
    async with app.open_services(Config(storage=Storage(data_dir=data_dir)), tuning=FAST) as svc:
        account = await svc.db.write(accounts.default_account)
        shop = await svc.db.write(projects.ensure, account, "shop")
        events = [
            Event(at=START_MS + 1000 * n, received_at=START_MS + 1000 * n, type=kind, user_id="u", message_id=f"m{n}")
            for n, kind in enumerate(kinds, first)
        ]
        await svc.event_writer.append_events(shop.id, events)
        pieces = await training.table(svc, shop.id, msgspec.convert(SPEC, TrainingSpec), None)
        return json.loads(b"".join([piece async for piece in pieces]))


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["verify-table", *words])


def test_verify_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DELTA_DATA_DIR", str(tmp_path / "data"))
    manifest = asyncio.run(_fill(tmp_path / "data", ["view", "buy", "view", "buy"]))
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest))
    same = run(str(file))
    assert (same.exit_code, same.output.splitlines()[-1]) == (0, "2 rows: all the same")
    assert run(str(file), "--project", "other").exit_code == 1
    assert run(str(tmp_path / "missing.json")).exit_code == 1
    (tmp_path / "broken.json").write_text("{}")
    assert "not the manifest" in run(str(tmp_path / "broken.json")).output
    file.write_text(json.dumps(manifest | {"digest": "0" * 32, "columns": []}))
    changed = run(str(file), "--project", "shop")
    assert changed.exit_code == 1
    assert "the digest is not that" in changed.output
    assert "the columns" in changed.output
    file.write_text(json.dumps(manifest | {"row_hashes": [*manifest["row_hashes"][:1], "0" * 16]}))
    assert "1 rows are not made again as they were" in run(str(file)).output
