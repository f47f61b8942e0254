"""One byte that changes in what is known of documents and persons is named by `verify`, and never answered."""

import asyncio
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from click.testing import CliRunner, Result

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config.sections import Config
from delta_server.core.events.profile_update import Alias
from delta_server.core.history import change_times
from delta_server.features.lives import service as lives
from delta_server.features.profiles import service as profiles
from delta_server.storage import row_checksums
from delta_server.storage.row_checksums import MAX_NAMED, ChecksummedTable
from delta_server.storage.sqlite.options import Storage
from tests.cli.served import make_key, serving
from tests.often import seeds
from tests.storage.opened import FAST

VERSIONS = 40
SAID = [
    {"type": "identify", "userId": "ann", "traits": {"plan": "pro", "city": "Ghent"}},
    {"type": "identify", "userId": "bob", "anonymousId": "b0", "traits": {"plan": "free"}},
    {"type": "group", "userId": "ann", "groupId": "acme", "traits": {"size": 7}},
]
QUESTIONS = [
    "/v1/deltas?endpoint=a&limit=100",
    "/v1/deltas?endpoint=a&path=/n",
    "/v1/endpoints/a/history?path=/n",
    "/v1/endpoints/a/history?path=/items/[id=2]/price",
    "/v1/endpoints/a/fields",
    "/v1/endpoints/a/blame",
    "/v1/snapshots?endpoint=a&limit=100",
    "/v1/users/ann",
    "/v1/groups/acme",
]


def document(number: int) -> Any:
    items = [{"id": n, "price": number // (n + 1), "name": f"thing {n}"} for n in range(5)]
    return {"n": number, "items": items, "text": "x" * (number % 7)}


async def fill(data_dir: Path) -> None:
    async with serving(data_dir) as client:
        for number in range(VERSIONS):
            sent = {
                "endpoint_id": "a",
                "data": document(number),
                "captured_at": f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00Z",
                "metadata": {"run": number},
            }
            (await client.post("/v1/snapshots?include=delta", json=sent)).raise_for_status()
        (await client.post("/v1/batch", json={"batch": SAID})).raise_for_status()
        async with asyncio.timeout(30):
            while (await client.get("/v1/groups/acme")).status_code != 200:
                await asyncio.sleep(0.01)


async def leave_updates(data_dir: Path) -> None:
    """What a call said of somebody, not applied: no server runs."""
    async with delta_app.open_services(Config(storage=Storage(data_dir=data_dir)), tuning=FAST) as services:
        packed = profiles.pack_updates([(0, Alias("elsewhere", "eve", 1))])
        await services.db.write(profiles.store_updates, 1, packed, frozenset({7}))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With chunks of times of both kinds, and runs of the record index."""
    directory = tmp_path_factory.mktemp("filled")
    make_key(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lives, "FOLDED_FROM", 10)
        patch.setattr(change_times, "MOST_OPEN", 8)
        asyncio.run(fill(directory))
    asyncio.run(leave_updates(directory))
    return directory


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "data"))


def data_dir_of(filled: Path, data_dir: Path) -> Path:
    """Another copy beside `data_dir`."""
    return Path(shutil.copytree(filled, data_dir.with_name("whole")))


def change(data_dir: Path, sql: str, *values: Any) -> None:
    """As a bad disk would: no server is running."""
    connection = apsw.Connection(str(data_dir / "delta.db"))
    connection.execute(sql, values)
    assert connection.changes()
    connection.close()


def verify(data_dir: Path) -> Result:
    return CliRunner().invoke(cli, ["verify", "--data-dir", str(data_dir)])


TABLES = {table.name: table for table in delta_app.CHECKSUMMED if table.has_checksum}
BYTES = {
    "delta": ["fields"],
    "field_change": ["later"],
    "life": ["entries"],
    "snapshot": ["metadata"],
    "profile": ["traits", "told_at", "name"],
    "person_change": ["changes", "duplicates"],
}
"""The columns that hold bytes or text."""


def flip(data_dir: Path, table: ChecksummedTable, column: str, chance: random.Random) -> str:
    """One byte of a random row, which is answered as `verify` calls it."""
    connection = apsw.Connection(str(data_dir / "delta.db"))
    key = ", ".join(table.key)
    rows: list[Any] = connection.execute(
        f"SELECT {key}, CAST({column} AS BLOB), typeof({column}) FROM {table.name} WHERE length({column}) > 0"
    ).fetchall()
    *row, blob, kind = chance.choice(rows)
    spoilt = bytearray(blob)
    spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    where = " AND ".join(f"{name} = ?" for name in table.key)
    new = "CAST(? AS TEXT)" if kind == "text" else "?"
    connection.execute(f"UPDATE {table.name} SET {column} = {new} WHERE {where}", (bytes(spoilt), *row))
    connection.close()
    return table.described(tuple(row) if len(row) > 1 else row[0])


PLACES = [(name, column) for name, columns in BYTES.items() for column in columns]


def test_nothing_is_wrong(data_dir: Path) -> None:
    result = verify(data_dir)
    assert result.exit_code == 0, result.output
    assert "rows of what is known of them and of persons: all as they were stored" in result.stdout
    for table in TABLES:
        connection = apsw.Connection(str(data_dir / "delta.db"))
        assert connection.execute(f"SELECT count(*) FROM {table} WHERE checksum IS NOT NULL").fetchall() != [(0,)]
        connection.close()


def test_every_table_with_checksums_is_tried() -> None:
    assert TABLES.keys() == BYTES.keys()


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize(("name", "column"), PLACES)
def test_one_bit_anywhere_is_named(data_dir: Path, name: str, column: str, seed: int) -> None:
    named = flip(data_dir, TABLES[name], column, random.Random(seed))
    result = verify(data_dir)
    assert result.exit_code == 1, result.output
    assert f"{named} is not what was stored" in result.stderr


@pytest.mark.parametrize("seed", seeds(1))
@pytest.mark.parametrize(("name", "column"), [place for place in PLACES if place[1] != "name"])
async def test_it_is_never_answered(data_dir: Path, filled: Path, name: str, column: str, seed: int) -> None:
    """What needs the row is damage of the server's; all else is answered as before. By another name nobody is found:
    that the index of names is not what its table is, the check of the file says."""
    before = await answers(data_dir_of(filled, data_dir))
    named = flip(data_dir, TABLES[name], column, random.Random(seed))
    for question, answer in (await answers(data_dir)).items():
        if answer.status_code != 200:
            assert answer.status_code == 500, (question, answer.text)
            assert answer.json()["type"] == "urn:delta:problem:damaged-data", (question, answer.text)
            assert named in answer.json()["message"] or "UTF-8" in answer.json()["message"], (question, answer.text)
        else:
            told, whole = answer.json(), before[question].json()
            if question.endswith("/blame") and not any("changes" in leaf for leaf in told["data"]):
                for leaf in whole["data"]:
                    leaf.pop("changes", None)  # a count that the damaged index would have told is left out
            assert told == whole, question


async def answers(data_dir: Path) -> dict[str, httpx.Response]:
    async with serving(data_dir) as client:
        return {question: await client.get(question) for question in QUESTIONS}


async def test_what_is_damaged_holds_up_nothing_that_is_new(data_dir: Path) -> None:
    for name in ("delta", "field_change", "life"):
        column = BYTES[name][0]
        change(data_dir, f"UPDATE {name} SET {column} = CAST({column} || x'00' AS BLOB) WHERE length({column}) > 0")
    async with serving(data_dir) as client:
        sent = {"endpoint_id": "a", "data": document(VERSIONS)}
        stored = await client.post("/v1/snapshots?include=delta", json=sent)
        assert stored.status_code == 201, stored.text
        assert stored.json()["delta"]["changes_count"] > 0
        told = (await client.get(f"/v1/deltas/{stored.json()['snapshot']['id']}")).raise_for_status().json()
        assert told["changes_count"] > 0
        assert (await client.get("/v1/snapshots/latest/a")).json()["data"] == document(VERSIONS)
    result = await asyncio.to_thread(verify, data_dir)
    assert result.exit_code == 1
    assert result.stderr.count("of delta is not what was stored") == MAX_NAMED
    assert "more rows of delta" in result.stderr


@pytest.mark.parametrize("checksums", [True, False])
async def test_damaged_updates_hold_up_no_others(data_dir: Path, checksums: bool) -> None:
    if not checksums:
        change(data_dir, "UPDATE person_change SET checksum = NULL")
    change(data_dir, "UPDATE person_change SET changes = CAST(x'00' || substr(changes, 2) AS BLOB)")
    async with serving(data_dir) as client:
        said = {"type": "identify", "userId": "ann", "traits": {"age": 40}}
        (await client.post("/v1/batch", json={"batch": [said]})).raise_for_status()
        assert (await client.get("/v1/users/bob")).status_code == 200
        async with asyncio.timeout(30):
            while '"age"' not in _traits_of_ann(data_dir):
                await asyncio.sleep(0.01)


async def test_traits_that_are_merged_into_damaged_ones_stay_damaged(data_dir: Path) -> None:
    change(data_dir, "UPDATE profile SET traits = replace(traits, 'Ghent', 'Gent ') WHERE name = 'ann'")
    async with serving(data_dir) as client:
        said = {"type": "identify", "userId": "ann", "traits": {"age": 40}}
        (await client.post("/v1/batch", json={"batch": [said]})).raise_for_status()
        async with asyncio.timeout(30):
            while '"age"' not in _traits_of_ann(data_dir):
                await asyncio.sleep(0.01)
        assert (await client.get("/v1/users/ann")).status_code == 500
        assert (await client.get("/v1/users/bob")).status_code == 200
    assert "of profile is not what was stored" in (await asyncio.to_thread(verify, data_dir)).stderr


def _traits_of_ann(data_dir: Path) -> str:
    connection = apsw.Connection(str(data_dir / "delta.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        [(traits,)] = connection.execute("SELECT traits FROM profile WHERE name = 'ann'").fetchall()
        return str(traits)
    finally:
        connection.close()


# Rows from before there were checksums


def without_checksums(data_dir: Path) -> None:
    for table in TABLES:
        change(data_dir, f"UPDATE {table} SET checksum = NULL")


async def test_old_rows_are_good(data_dir: Path, filled: Path) -> None:
    before = await answers(data_dir_of(filled, data_dir))
    without_checksums(data_dir)
    assert (await asyncio.to_thread(verify, data_dir)).exit_code == 0
    for question, answer in (await answers(data_dir)).items():
        assert answer.json() == before[question].json()


@pytest.mark.parametrize(("name", "column"), [("delta", "fields"), ("field_change", "later"), ("life", "entries")])
def test_of_old_rows_is_found_what_cannot_be_read(data_dir: Path, name: str, column: str) -> None:
    without_checksums(data_dir)
    change(data_dir, f"UPDATE {name} SET {column} = x'01ff' WHERE length({column}) > 0")
    result = verify(data_dir)
    assert result.exit_code == 1, result.output
    assert f"of {name} cannot be read" in result.stderr


# Tables without checksums


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        ("UPDATE outbox SET body = replace(body, '[', '{')", "row 2 of outbox"),
        ("UPDATE endpoint SET diff = replace(diff, '}', ']')", "row 1 of endpoint"),
        ("UPDATE endpoint SET retention = substr(retention, 2)", "row 1 of endpoint"),
        ("INSERT INTO job (project, id, kind, arguments, state, due_at, created_at)"
         " VALUES (1, x'01', 'erasure', '{', 'waiting', 0, 0)", "row (1, b'\\x01') of job"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_in_tables_without_checksums_is_named(data_dir: Path, spoilt: str, named: str) -> None:
    change(data_dir, spoilt)
    result = verify(data_dir)
    assert result.exit_code == 1, result.output
    assert f"{named} cannot be read" in result.stderr


# The checksum


def test_any_byte_and_any_value_counts() -> None:
    table = ChecksummedTable("t", key=("a",), covered=("a", "b", "c"), has_text=True)
    rows: Sequence[tuple[Any, ...]] = [
        (1, b"x", None), (2, b"x", None), (1, b"y", None), (1, b"x", b""), (1, b"", b"x"), (1, None, b"x"), (1, 2, 3),
    ]  # fmt: skip
    assert len({table.checksum(*row) for row in rows}) == len(rows)
    assert all(-(1 << 31) <= table.checksum(*row) < 1 << 31 for row in rows)
    assert table.checksum(1, "x", None) == table.checksum(1, b"x", None), "texts are read as their bytes by `verify`"


def test_no_checksum_is_no_damage() -> None:
    table = ChecksummedTable("t", key=("a",), covered=("a",))
    assert not table.is_damaged(None, 1)
    assert table.is_damaged(table.checksum(2), 1)


@pytest.mark.parametrize("rows_at_once", [1, 7])
async def test_rows_are_read_in_pages(data_dir: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(row_checksums, "ROWS_AT_ONCE", rows_at_once)
    seen: list[tuple[int, int]] = []
    async with delta_app.open_for_reading(Config(storage=Storage(data_dir=data_dir))) as services:
        found = await row_checksums.verify(services.db, delta_app.CHECKSUMMED, lambda done, of: seen.append((done, of)))
    assert found.broken == []
    assert seen[-1] == (found.rows, found.rows)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
