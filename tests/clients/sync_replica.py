"""An offline-first app's storage: a SQLite file with records, an outbox and a cursor, in step with a server.

Written from docs/sync.md alone. Each step is one transaction of the file, so that whoever is killed goes on where it
was: a batch is named and kept before it is sent, an answer is taken together with what it answers, a page with its
cursor.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite
import httpx

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, data TEXT, checksum TEXT, is_old INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY, change_id TEXT NOT NULL UNIQUE, record_id TEXT NOT NULL, data TEXT, base_version INTEGER,
  batch_id TEXT
);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
Step = Callable[[str], None]


class SyncReplica:
    """Of one data type. `at_step` is called between any two steps, and may raise."""

    def __init__(
        self, db: aiosqlite.Connection, client: httpx.AsyncClient, device_id: str, data_type: str, at_step: Step
    ) -> None:
        self._db, self._client = db, client
        self._device_id, self._route = device_id, f"/v1/sync/{data_type}/delta"
        self._at_step = at_step

    @classmethod
    async def open(
        cls,
        path: Path,
        client: httpx.AsyncClient,
        device_id: str,
        data_type: str = "notes",
        at_step: Step = lambda step: None,
    ) -> Self:
        db = await aiosqlite.connect(path, isolation_level=None)
        await db.executescript(_SCHEMA)
        return cls(db, client, device_id, data_type, at_step)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._db.close()

    # What an app does, on the network or not

    async def put(self, record_id: str, data: Any) -> None:
        await self._edit(record_id, json.dumps(data))

    async def delete(self, record_id: str) -> None:
        await self._edit(record_id, None)

    async def _edit(self, record_id: str, data: str | None) -> None:
        """A change that was not sent yet becomes this one."""
        async with _Transaction(self._db):
            waiting = await self._one("SELECT number FROM outbox WHERE record_id = ? AND batch_id IS NULL", record_id)
            if waiting is not None:
                await self._db.execute("UPDATE outbox SET data = ? WHERE number = ?", (data, waiting[0]))
                return
            known = await self._one("SELECT version FROM record WHERE id = ?", record_id)
            await self._db.execute(
                "INSERT INTO outbox (change_id, record_id, data, base_version) VALUES (?, ?, ?, ?)",
                (str(uuid.uuid4()), record_id, data, known and known[0]),
            )

    async def records(self) -> dict[str, Any]:
        """As the app shows them: its own changes over what the server has."""
        kept = await self._db.execute_fetchall("SELECT id, data FROM record")
        own = await self._db.execute_fetchall("SELECT record_id, data FROM outbox ORDER BY number")
        found: dict[str, str | None] = {row[0]: row[1] for row in (*kept, *own)}
        return {id: json.loads(data) for id, data in found.items() if data is not None}

    async def digest(self) -> str:
        """Of what it has from the server."""
        rows = await self._db.execute_fetchall("SELECT id, checksum FROM record WHERE data IS NOT NULL")
        mixed = 0
        for id, checksum in rows:
            mixed ^= int.from_bytes(sha256(id.encode() + b"\0" + bytes.fromhex(checksum)).digest()[:16])
        return mixed.to_bytes(16).hex()

    async def waiting(self) -> int:
        """How many changes the server has not answered."""
        row = await self._one("SELECT count(*) FROM outbox")
        return row[0] if row else 0

    # On the network

    async def sync(self) -> None:
        """Raises httpx.TransportError and HTTPStatusError; then it is called again later."""
        while await self._push():
            pass
        while await self._pull():
            pass

    async def _push(self, most: int = 1000) -> bool:
        """One batch, that of an answer which did not come first; False when there is none."""
        batch_id, changes = await self._batch(most)
        self._at_step("a batch is named")
        if not changes:
            return False
        answer = await self._send(batch_id, changes)
        if answer.status_code == 409 and answer.json().get("code") == "MASS_DELETE":  # the app meant it
            answer = await self._send(batch_id, changes, confirm=answer.json()["confirm"])
        answer.raise_for_status()
        self._at_step("a batch is answered")
        await self._answered(answer.json()["results"])
        self._at_step("an answer is kept")
        return True

    async def _send(self, batch_id: str, changes: Sequence[str], **more: str) -> httpx.Response:
        """Byte for byte what was kept, whose checksums are known so."""
        head = json.dumps({"device_id": self._device_id, "batch_id": batch_id, "mode": "per_record", **more})
        body = f'{head[:-1]}, "changes": [{", ".join(changes)}]}}'
        return await self._client.post(self._route, content=body, headers={"content-type": "application/json"})

    async def _batch(self, most: int) -> tuple[str, list[str]]:
        async with _Transaction(self._db):
            sent = await self._one("SELECT batch_id FROM outbox WHERE batch_id IS NOT NULL LIMIT 1")
            batch_id = sent[0] if sent else str(uuid.uuid4())
            if sent is None:
                first = "SELECT number FROM outbox ORDER BY number LIMIT ?"
                await self._db.execute(f"UPDATE outbox SET batch_id = ? WHERE number IN ({first})", (batch_id, most))
            rows = await self._db.execute_fetchall(
                "SELECT change_id, record_id, data, base_version FROM outbox WHERE batch_id = ? ORDER BY number",
                (batch_id,),
            )
        return batch_id, [_change(*row) for row in rows]

    async def _answered(self, results: Sequence[Mapping[str, Any]]) -> None:
        async with _Transaction(self._db):
            for result in results:
                sent = await self._one("SELECT data FROM outbox WHERE change_id = ?", result["change_id"])
                await self._db.execute("DELETE FROM outbox WHERE change_id = ?", (result["change_id"],))
                if result["status"] in ("applied", "duplicate"):
                    await self._hold(result["record_id"], result["version"], sent[0] if sent else None)
                elif "server" in result:
                    await self._take(result["server"])

    async def _hold(self, record_id: str, version: int | None, data: str | None) -> None:
        """What the app changed since then it made on this version."""
        if version is None:
            return
        await self._keep(record_id, version, data, data and sha256(data.encode()).hexdigest())
        await self._db.execute(
            "UPDATE outbox SET base_version = ? WHERE record_id = ? AND batch_id IS NULL", (version, record_id)
        )

    async def _take(self, record: Mapping[str, Any]) -> None:
        data = None if record["operation"] == "delete" else json.dumps(record["data"])
        await self._keep(record["record_id"], record["version"], data, record.get("checksum"))

    async def _keep(self, record_id: str, version: int, data: str | None, checksum: str | None) -> None:
        """Unless there is a newer one."""
        await self._db.execute(
            "INSERT INTO record (id, version, data, checksum) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET is_old = 0,"
            " version = excluded.version, data = excluded.data, checksum = excluded.checksum"
            " WHERE excluded.version >= version OR is_old",
            (record_id, version, data, checksum),
        )

    async def _pull(self) -> bool:
        """One page; whether there is more."""
        cursor = await self._one("SELECT value FROM state WHERE name = 'cursor'")
        params = {"device_id": self._device_id, **({"cursor": cursor[0]} if cursor else {})}
        answer = await self._client.get(self._route, params=params)
        if answer.status_code == 410:
            await self._begin_again()
            return True
        answer.raise_for_status()
        self._at_step("a page is here")
        await self._paged(answer.json())
        self._at_step("a page is kept")
        return bool(answer.json()["has_more"])

    async def _begin_again(self) -> None:
        """What no page brings is gone."""
        async with _Transaction(self._db):
            await self._db.execute("DELETE FROM state WHERE name = 'cursor'")
            await self._db.execute("UPDATE record SET is_old = 1")

    async def _paged(self, page: Mapping[str, Any]) -> None:
        async with _Transaction(self._db):
            for record in page["changes"]:
                await self._take(record)
            await self._db.execute(
                "INSERT INTO state (name, value) VALUES ('cursor', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (page["next_cursor"],),
            )
            if not page["has_more"]:
                await self._db.execute("DELETE FROM record WHERE is_old")

    async def _one(self, sql: str, *params: Any) -> Any:
        async with self._db.execute(sql, params) as cursor:
            return await cursor.fetchone()


class _Transaction:
    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db

    async def __aenter__(self) -> None:
        await self._db.execute("BEGIN IMMEDIATE")

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _change(change_id: str, record_id: str, data: str | None, base_version: int | None) -> str:
    base = {} if base_version is None else {"base_version": base_version}
    operation = "delete" if data is None else "update"
    change = json.dumps({"change_id": change_id, "record_id": record_id, "operation": operation, **base})
    return change if data is None else f'{change[:-1]}, "data": {data}}}'
