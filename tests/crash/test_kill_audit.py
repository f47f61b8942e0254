"""`kill -9` while changes are put on record: each has its entry, no entry is without one, the chain has no gap."""

import asyncio
from pathlib import Path

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.storage.sqlite.options import Storage
from tests.crash.killing import run_and_kill
from tests.server_process import run


def test_changes_and_their_entries_are_there_together(tmp_path: Path) -> None:
    run(tmp_path, "key", "create", "--account")
    for writes in range(3):
        run_and_kill(tmp_path, "key", "create", "--project", f"p{writes}", writes=writes)
    run(tmp_path, "key", "create", "--account")
    asyncio.run(_check(tmp_path))


async def _check(directory: Path) -> None:
    config = Config(storage=Storage(data_dir=directory / "delta-data"))
    async with delta_app.open_services(config) as services:
        account = await services.db.read(accounts.find_default_account)
        assert account is not None
        found = await audit.verify(services, account, lambda done, of: None)
        assert (found.broken, found.unknown) == ([], [])
        keys = {f"key {key.id}" for _, key in await services.db.read(accounts.list_keys, account)}
        rows = await audit.newest(services, account, 1000)
        assert sorted(row.entry.target for row in rows if row.entry.action == "key.create") == sorted(keys)
