"""Documents in SQL: each version once, as it was stored, and no more decoded than a query needs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.core.option_types import MIB
from delta_server.services import Services
from delta_server.storage.cache import Cache
from delta_server.storage.cold.pieces import ColdReads
from delta_server.storage.contents import maintenance, reading_now
from delta_server.storage.database import Tx
from delta_server.storage.events.sql import documents
from delta_server.storage.events.sql.worker import SqlRequest, SqlResponse, Worker, WorkerSetup
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from tests.conftest import Keys, bearer
from tests.storage.contents.opened import append, new_endpoint
from tests.storage.opened import FakeClock

SQL = "/v1/sql"
NAMES = ["rates", "NULL", "null", "true", "1.10", "__HIVE_DEFAULT_PARTITION__", "a/b", "a=b&c", "%41", "é x", "it's"]


async def sent(client: httpx.AsyncClient, key: str, endpoint: str, document: bytes) -> None:
    answer = await client.post(
        "/v1/snapshots",
        params={"endpoint": endpoint},
        content=document,
        headers=bearer(key) | {"content-type": "application/json"},
    )
    assert answer.status_code == 201, answer.text


async def rows(client: httpx.AsyncClient, key: str, text: str) -> list[list[Any]]:
    answer = await client.post(SQL, json={"sql": text}, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return [list(row.values()) for row in answer.json()["rows"]]


async def test_documents_are_seen_by_the_name_of_their_endpoint(client: httpx.AsyncClient, keys: Keys) -> None:
    for number, name in enumerate(NAMES):
        await sent(client, keys.project, name, b'{"n": %d}' % number)
    await sent(client, keys.other, "rates", b'{"n": 99}')
    found = await rows(client, keys.read, "SELECT endpoint, document->'n' FROM documents")
    assert sorted(found) == sorted([name, number] for number, name in enumerate(NAMES))
    for number, name in enumerate(NAMES):
        quoted = name.replace("'", "''")
        text = f"SELECT document->'n' FROM documents WHERE endpoint = '{quoted}'"
        assert await rows(client, keys.read, text) == [[number]], name
    assert await rows(client, keys.other, "SELECT document->'n' FROM documents") == [[99]]
    await client.delete("/v1/endpoints/rates", headers=bearer(keys.project))
    assert await rows(client, keys.read, "SELECT count(*) FROM documents WHERE endpoint = 'rates'") == [[0]]


async def test_without_documents_the_view_is_empty(client: httpx.AsyncClient, keys: Keys) -> None:
    assert await rows(client, keys.read, "SELECT * FROM documents") == []
    described = await rows(client, keys.read, "DESCRIBE documents")
    assert [name for name, _ in described] == ["endpoint", "captured_at", "latest", "document"]


@pytest.mark.parametrize("packed", [False, True], ids=["frames", "packs"])
async def test_each_version_is_there_once_as_it_was_stored(
    app: Application, client: httpx.AsyncClient, clock: FakeClock, keys: Keys, packed: bool
) -> None:
    texts = [
        b'{"n": 0,\r\n\t"price": 1.10}',
        rb'{"n": 1, "half": "\ud83d", "whole": "\ud83d\ude00", "no escape": "\\ud83d"}',
        b'{"n": 2, "long": 123456789012345678901234567890}',
        b'{"n": 3, "n": 3}',
        '{"n": 4, "text": "\N{SNOWMAN} \\" \\\\ \\u0000"}'.encode(),
    ]
    for each in [*texts, texts[-1]]:
        await sent(client, keys.project, "prices", each)
        clock.advance(1000)
    if packed:
        await maintenance.pack_everything(app.services.contents)
    text = "SELECT document::VARCHAR FROM documents ORDER BY captured_at"
    halves = texts[1].replace(rb"\ud83d", "\N{REPLACEMENT CHARACTER}".encode(), 1)
    assert await rows(client, keys.read, text) == [[each.decode()] for each in [texts[0], halves, *texts[2:]]]
    assert await rows(client, keys.read, "SELECT document->'n' FROM documents WHERE latest") == [[4]]
    text = "SELECT count(*) FROM documents JOIN snapshots USING (endpoint, captured_at)"
    assert await rows(client, keys.read, text) == [[5]]


async def test_a_document_past_the_bound_is_null(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await new_endpoint(services.contents)
    for at, body in enumerate([b'{"a":1}', b'"%s"' % (b"x" * 100), b'{"a":2}']):
        await append(services.contents, endpoint, at, body)
    monkeypatch.setattr(documents, "LARGEST_BYTES", 50)
    project = await services.db.read(lambda tx: tx.all("SELECT project FROM endpoint")[0][0])
    answered = asked(tmp_path, project, "SELECT document FROM documents ORDER BY captured_at")
    assert msgspec.json.decode(answered.rows) == [{"document": {"a": 1}}, {"document": None}, {"document": {"a": 2}}]


# What is decoded


def asked(data_dir: Path, project: int, text: str) -> SqlResponse:
    [database] = data_dir.rglob(DATABASE_NAME)
    return Worker(WorkerSetup(str(database), 256 * MIB, 1, 10.0)).answer(SqlRequest(project, text, (), 1000))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The contents that were."""
    noted: list[int] = []
    read_now = reading_now.read_now

    def noting(
        tx: Tx, cache: Cache, cold: ColdReads, endpoint: int, contents: Sequence[int]
    ) -> Iterator[tuple[int, bytes]]:
        noted.extend(contents)
        return read_now(tx, cache, cold, endpoint, contents)

    monkeypatch.setattr(reading_now, "read_now", noting)
    return noted


@pytest.fixture
async def project(services: Services, monkeypatch: pytest.MonkeyPatch) -> int:
    """A project with ten versions of an endpoint, contents 1 to 10."""
    monkeypatch.setattr(documents, "FILE_BYTES", 20)
    endpoint = await new_endpoint(services.contents)
    for at in range(10):
        await append(services.contents, endpoint, at, b'{"n":%d}' % at)
    found: int = await services.db.read(lambda tx: tx.all("SELECT project FROM endpoint")[0][0])
    return found


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("", range(1, 11)),
        ("WHERE latest", [10]),
        ("WHERE NOT latest", range(1, 10)),
        ("WHERE endpoint = 'prices' AND latest", [10]),
        ("WHERE endpoint = 'other'", []),
        ("WHERE endpoint IN ('other', 'another')", []),
    ],
)
def test_only_what_a_condition_leaves_is_decoded(
    tmp_path: Path, project: int, decoded: list[int], where: str, wanted: Sequence[int]
) -> None:
    answered = asked(tmp_path, project, f"SELECT document->'n' AS n FROM documents {where} ORDER BY n")
    assert answered.refused is None
    assert [row["n"] for row in msgspec.json.decode(answered.rows)] == [content - 1 for content in wanted]
    assert sorted(decoded) == list(wanted)


async def test_what_is_damaged_is_told_as_damage(services: Services, tmp_path: Path, project: int) -> None:
    await services.db.write(lambda tx: tx.run("UPDATE frame SET data = x'00' WHERE content = 1"))
    answered = asked(tmp_path, project, "SELECT document FROM documents")
    assert answered.damaged
    assert "the frame of content 1" in str(answered.refused)
    assert asked(tmp_path, project, "SELECT endpoint FROM documents WHERE endpoint = 'other'").refused is None


async def test_too_many_versions_are_refused(tmp_path: Path, project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_ROWS", 9)
    assert "more than 9 documents" in str(asked(tmp_path, project, "SELECT 1 FROM documents").refused)


async def test_the_files_of_documents_are_out_of_reach(tmp_path: Path, project: int) -> None:
    for path in ("documents://a/endpoint=prices/latest=true/0", "documents://*/*/*/*"):
        answered = asked(tmp_path, project, f"SELECT * FROM documents, '{path}'")
        assert answered.invalid
