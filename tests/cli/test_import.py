"""`import` as a person runs it, over files made here."""

import gzip
import json
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
import zstandard
from click.testing import CliRunner

from delta_server.cli.main import cli
from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import importing
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.transaction import SqliteTx
from tests.cli.imports import Stored, counts, imported, line, project_id, second, sentences, stored, timeline
from tests.features.history.timelines import QUAKES, quakes
from tests.server_process import start
from tests.storage.opened import FakeClock


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# NDJSON


def test_the_packaged_history(here: Path) -> None:
    result = imported(str(QUAKES))
    assert counts(result) == (200, 0, 0)
    wanted = quakes()
    assert stored() == [Stored(times.format(each.captured_at), each.body, "import") for each in wanted]
    assert counts(imported(str(QUAKES))) == (0, 200, 0)
    assert len(stored()) == 200
    assert counts(imported(str(QUAKES), "--project", "other")) == (200, 0, 0)


@pytest.mark.parametrize("kind", ["plain", "zst", "zst in frames"])
def test_documents_come_in_byte_for_byte(here: Path, kind: str) -> None:
    bodies = ['{"a": 37.787619999999997, "a":1e400 }', " [ ] ", '"\\u00e9é😀"', "9" * 5000, "null", "null"]
    lines = [line(second(n), body) for n, body in enumerate(bodies)]
    compress = zstandard.ZstdCompressor().compress
    text = {
        "plain": b"\n".join(lines),  # with empty lines between
        "zst": compress(b"".join(lines)[:-1]),  # without the last line's end
        "zst in frames": b"".join(compress(b"".join(lines)[n : n + 100]) for n in range(0, 7000, 100)),
    }[kind]
    path = here / ("history.ndjson" if kind == "plain" else "history.ndjson.zst")
    path.write_bytes(text)
    assert counts(imported(str(path))) == (6, 0, 0)
    assert stored() == [Stored(second(n), body.encode(), "import") for n, body in enumerate(bodies)]


def history(count: int) -> list[bytes]:
    return [line(second(n), json.dumps({"n": n // 3, "filler": [1, 2, 3]})) for n in range(count)]


def test_an_import_goes_on_where_it_was(here: Path) -> None:
    path = here / "history.ndjson"
    lines = history(3000)
    path.write_bytes(b"".join(lines[:2500]) + b'{"at": "2020')
    told = imported(str(path), code=1).stderr
    assert "line 2501" in told
    assert "2500 versions were stored and are kept, 0 were there already; run the same command again" in told
    assert "0 versions were stored and are kept, 2500 were" in imported(str(path), code=1).stderr
    path.write_bytes(b"".join(lines))
    assert counts(imported(str(path))) == (500, 2500, 0)
    assert [each.captured_at for each in stored()] == [second(n) for n in range(3000)]


async def test_an_import_that_is_broken_off_at_any_place_can_be_run_again(services: Services) -> None:
    """Also one with many versions of one moment and some out of order."""
    project = await services.db.write(project_id, "p")
    moments = [0, 0, 0, 1, 1, 5, 5, 3, 3, 5, 0, 9, 9, 9] * 50
    whole = [Version(1000 * moment + 1000 * 20 * (n // 14), b"[%d]" % (n % 4)) for n, moment in enumerate(moments)]
    packs = msgspec.structs.replace(services.contents.packs, pack_contents=30)
    svc = msgspec.structs.replace(services, contents=msgspec.structs.replace(services.contents, packs=packs))

    def breaking_off(after: int) -> Iterator[Version]:
        yield from whole[:after]
        raise KeyboardInterrupt

    await run(svc, project, "at once", whole)
    for after in (1, 29, 31, 45, 200, 211, 333, 699):
        with pytest.raises(KeyboardInterrupt):
            await import_versions(svc, project, "in parts", breaking_off(after), lambda done: None)
    await run(svc, project, "in parts", whole)
    again = await run(svc, project, "in parts", whole)
    assert (again.stored, again.skipped) == (0, len(whole))
    kept = await timeline(svc, project, "at once")
    assert await timeline(svc, project, "in parts") == kept
    # of each 14, the fourth at 0 s and the third at 5 s are what is there from that second already
    assert len(kept) == len(whole) * 12 // 14


async def test_many_versions_are_written_in_few_statements(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the interpreter's lock beside all that compute, and other writes wait for all of them."""
    project = await services.db.write(project_id, "p")
    executed: list[str] = []
    append, execute = importing._append_tail, SqliteTx._execute

    def counted(tx: SqliteTx, sql: str, params: tuple[Any, ...]) -> apsw.Cursor:
        executed.append(sql)
        return execute(tx, sql, params)

    def counting(tx: Tx, endpoint: endpoints.EndpointRef, tail: importing._Tail) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(SqliteTx, "_execute", counted)
            append(tx, endpoint, tail)

    monkeypatch.setattr(importing, "_append_tail", counting)
    await run(services, project, "e", [Version(1000 * n, b"[%d]" % (n // 2)) for n in range(500)])
    assert len(await timeline(services, project, "e")) == 500
    assert 0 < len(executed) < 100


async def test_what_comes_twice_in_one_run_is_there_once(services: Services) -> None:
    project = await services.db.write(project_id, "p")
    idempotency_key = [Version(1000 * n, b"[%d]" % (n % 3)) for n in range(200)]
    done = await run(services, project, "whole", [*idempotency_key, *idempotency_key])
    assert (done.stored, done.skipped) == (200, 200)
    lines = [version for version in idempotency_key for _ in range(2)]
    done = await run(services, project, "lines", lines)
    assert (done.stored, done.skipped) == (200, 200)
    assert await timeline(services, project, "lines") == await timeline(services, project, "whole")


async def test_a_slow_source_is_stored_every_few_seconds(services: Services, clock: FakeClock) -> None:
    project = await services.db.write(project_id, "p")
    told: list[int] = []

    def slowly() -> Iterator[Version]:
        for n in range(20):
            yield Version(1000 * n, b"[%d]" % n)
            clock.advance(1000)
        raise Invalid("the source has ended badly")

    with pytest.raises(Invalid, match="badly"):
        await import_versions(services, project, "e", slowly(), lambda done: told.append(done.stored))
    assert told == [5, 9, 13, 17, 20]
    assert len(await timeline(services, project, "e")) == 20


async def run(svc: Services, project: int, endpoint: str, versions: Sequence[Version]) -> Imported:
    return await import_versions(svc, project, endpoint, iter(versions), lambda done: None)


async def test_an_import_into_what_others_have_stored(services: Services) -> None:
    """Between and at the same times: all is there once, however often it is run."""
    project = await services.db.write(project_id, "p")
    mine = [Version(1000 * n, b'{"mine": %d}' % n) for n in range(1, 30)]
    endpoint = await services.db.write(endpoints.ensure, project, "e")
    theirs = [NewSnapshot(endpoint, b'{"theirs": %d}' % n, 500 * n) for n in range(1, 70)]
    await snapshots.create_snapshots(services, project, theirs, IdempotencyKey.none())
    assert (await run(services, project, "e", mine)).stored == 29
    before = await timeline(services, project, "e")
    assert len(before) == 29 + 69
    assert {version.body for version in mine} <= {each.body for each in before}
    assert await run(services, project, "e", mine) == Imported(0, 29, 0, sum(len(each.body) for each in mine))
    assert await timeline(services, project, "e") == before


def test_what_cannot_be_stored_is_counted_and_the_rest_stored(here: Path) -> None:
    path = here / "history.ndjson"
    bad = [
        line(second(1), "<html>503</html>"),
        line(second(2), ""),
        line(second(3), "[" * 600 + "]" * 600),
        line(second(4), '{"a": NaN}'),
        line("1969-12-31", "1"),
        line("2999-01-01", "2"),
    ]
    path.write_bytes(line(second(0), "0") + b"".join(bad) + line(second(9), "9"))
    first = imported(str(path))
    assert counts(first) == (2, 0, 6)
    assert [each.split(": ")[1] for each in first.stderr.splitlines()[:-1]] == [f"line {n}" for n in range(2, 7)]
    assert first.stderr.endswith("and 1 more\n")
    assert counts(imported(str(path))) == (0, 2, 6)
    assert [each.body for each in stored()] == [b"0", b"9"]


BROKEN_LINES: list[tuple[str, bytes, str]] = [
    ("no JSON", b"at,body", "line 2: JSON is malformed"),
    ("no object", b"2020", "line 2: the line is a JSON number, not a JSON object"),
    ("truncated", b'{"at": "2020-01-01", "bo', "line 2: it ends too early"),
    ("no body", b'{"at": "2020-01-01"}', "missing required field `body`"),
    ("no time", b'{"body": "1"}', "missing required field `at`"),
    (
        "a document for the body",
        b'{"at": "2020-01-01", "body": {"a": 1}}',
        "body is a JSON object, not a JSON string that holds",
    ),
    (
        "an array for the body",
        b'{"at": "2020-01-01", "body": [1]}',
        'expected {"at": "2026-01-31T12:00:00Z", "body": "',
    ),
    ("a number for the time", b'{"at": 1577836800, "body": "1"}', "at is a JSON number, not a JSON string"),
    ("no such day", b'{"at": "2020-02-30", "body": "1"}', "at (line 2) must be a time like"),
    ("no zone", b'{"at": "2020-02-03T00:00:00", "body": "1"}', "at (line 2) has no time zone"),
    ("half a surrogate pair", b'{"at": "2020-01-01", "body": "\\ud800"}', "line 2: it has half of a surrogate pair"),
    ("bad UTF-8", b'{"at": "2020-01-01", "body": "\xff"}', "line 2:"),
    ("deep", b"[" * 5000, "line 2:"),
]


@pytest.mark.parametrize(("what", "broken", "says"), BROKEN_LINES, ids=[what for what, _, _ in BROKEN_LINES])
def test_a_broken_line_is_named(here: Path, what: str, broken: bytes, says: str) -> None:
    path = here / "history.ndjson"
    path.write_bytes(line(second(0), "0") + broken + b"\n" + line(second(2), "2"))
    message = imported(str(path), code=1).stderr
    assert message.startswith("Error: ")
    assert says in message
    assert "1 version was stored and is kept" in message
    assert "`" not in message or "missing" in message


def _refuse(place: str) -> Version:
    raise Invalid(f"{place} is not JSON")


async def test_a_history_without_a_version_that_can_be_read_makes_no_endpoint(services: Services) -> None:
    project = await services.db.write(project_id, "p")
    with pytest.raises(Invalid):
        await import_versions(services, project, "made", map(_refuse, ["line 1"]), lambda done: None)
    assert services.db.peek(lambda tx: tx.one("SELECT 1 FROM endpoint WHERE name = 'made'")) is None


def test_a_byte_order_mark_before_the_first_line_is_none_of_it(here: Path) -> None:
    (here / "history.ndjson").write_bytes(b"\xef\xbb\xbf" + line(second(0), "0") + line(second(1), "1"))
    assert counts(imported("history.ndjson")) == (2, 0, 0)


def test_files_that_are_none(here: Path) -> None:
    (here / "a.ndjson.zst").write_bytes(b"this is no zstd")
    assert "not a zstd file, or it is damaged" in imported("a.ndjson.zst", code=1).stderr
    (here / "b.ndjson.zst").write_bytes(zstandard.compress(b"".join(history(900)))[:-700])
    assert "the file ends too early" in imported("b.ndjson.zst", code=1).stderr
    (here / "d.ndjson.zst").write_bytes(b"")
    assert "the file ends too early" in imported("d.ndjson.zst", code=1).stderr
    (here / "c.ndjson").write_bytes(b"")
    assert counts(imported("c.ndjson", endpoint="empty")) == (0, 0, 0)
    assert "there is no file nothing.ndjson" in imported("nothing.ndjson", code=2).stderr
    assert "give one FILE" in imported("a", "b", code=2).stderr
    assert "give one FILE" in imported("--git", "a", code=2).stderr
    assert "U+0000" in imported(str(QUAKES), endpoint="a\0b", code=1).stderr


def test_standard_input_and_pipes(here: Path) -> None:
    """Also one that says nothing at first, and Ctrl-C while it waits for more."""
    text = b"".join(history(30))
    for data, arguments in ((text, ["-"]), (zstandard.compress(text), ["-"]), (text, ["/dev/stdin"])):
        assert piped(data, "e", *arguments) == (0, "")
    assert len(stored()) == 30


def piped(data: bytes, endpoint: str, *arguments: str) -> tuple[int, str]:
    with start("import", "--endpoint", endpoint, *arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        told = process.communicate(data, timeout=60)[1]
    return process.returncode, sentences(told.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_tells_what_was_kept(here: Path, number: signal.Signals) -> None:
    with start("import", "--endpoint", "e", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"".join(history(5000)))  # more than a pipe holds: once it is written, it is being read
        process.stdin.flush()
        process.send_signal(number)
        told = process.stderr.read().decode()
        assert process.wait(timeout=20) == 128 + number
    assert re.search(r"Interrupted. \d+ versions were stored and are kept", told)
    assert "run the same command again" in told
    assert "Traceback" not in told


# What compresses a file, and directories


def test_gzip_is_known_by_its_bytes(here: Path) -> None:
    lines = history(40)
    whole = gzip.compress(b"".join(lines))
    members = b"".join(gzip.compress(b"".join(lines)[n : n + 333]) for n in range(0, len(b"".join(lines)), 333))
    files = {"a.gz": whole, "a": whole, "a.ndjson": members, "b.gz": members + bytes(600), "plain.gz": b"".join(lines)}
    for n, (name, data) in enumerate(files.items()):
        (here / name).write_bytes(data)
        assert counts(imported(name, endpoint=f"e{n}")) == (40, 0, 0)
    assert piped(members, "piped", "-") == (0, "")
    assert stored("piped") == stored("e0")


def test_gzip_that_is_none(here: Path) -> None:
    whole = gzip.compress(b"".join(history(900)))
    (here / "cut.gz").write_bytes(whole[:-300])
    assert "the file ends too early" in imported("cut.gz", code=1).stderr
    (here / "empty.gz").write_bytes(b"")
    assert "the file ends too early" in imported("empty.gz", code=1).stderr
    (here / "bad.gz").write_bytes(whole[:200] + bytes([whole[200] ^ 255]) + whole[201:])
    assert "not a gzip file, or it is damaged" in imported("bad.gz", code=1).stderr
    (here / "behind.gz").write_bytes(whole + b"rubbish")
    assert "not a gzip file, or it is damaged" in imported("behind.gz", code=1).stderr


def test_a_directory_of_dated_documents(here: Path) -> None:
    folder = here / "days"
    files = {
        "2020-01-03.json": b"[3]",
        "2020/01/02.json": b"[2] ",
        "data-2020-01-02T12-00-00.json": b"[2.5]",
        "1577836800.json.gz": gzip.compress(b"[1]"),
        "20200104T000000Z.json": zstandard.compress(b"[4]"),
        "2020-01-05.json": b"<html>",
        ".hidden": b"x",
        ".git/config": b"x",
    }
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    result = imported("days")
    assert counts(result) == (5, 0, 1)
    assert "refused: 2020-01-05.json: " in result.stderr
    assert [each.body for each in stored()] == [b"[1]", b"[2] ", b"[2.5]", b"[3]", b"[4]"]
    assert [each.captured_at[:16] for each in stored()] == [
        "2020-01-01T00:00", "2020-01-02T00:00", "2020-01-02T12:00", "2020-01-03T00:00", "2020-01-04T00:00",
    ]  # fmt: skip
    assert counts(imported("days")) == (0, 5, 1)
    (folder / "2020-01-06.json").write_bytes(gzip.compress(b"[6]")[:-4])
    assert "2020-01-06.json: the file ends too early" in imported("days", code=1).stderr
    (folder / "read me.txt").write_bytes(b"hello")
    refused = imported("days", endpoint="other", code=1).stderr
    assert "read me.txt: no time can be read from its name" in refused
    (here / "nothing").mkdir()
    assert "there are no files in nothing" in imported("nothing", code=1).stderr


# Lines with more members, the project, and words


def test_a_line_may_have_a_source_and_metadata(here: Path) -> None:
    lines = [
        b'{"at": "2020-01-01T00:00:00Z", "body": "1", "source": "poller", "metadata": {"a": 1.0, "b":"\\u00e9"}}',
        b'{"at": "2020-01-01T00:00:01Z", "body": "2", "source": null, "metadata": null}',
        b'{"at": "2020-01-01T00:00:02Z", "body": "3"}',
        b'{"at": "2020-01-01T00:00:03Z", "body": "4", "metadata": [1]}',
        b'{"at": "2020-01-01T00:00:04Z", "body": "5", "source": "%s"}' % (b"x" * 201),
    ]
    (here / "a.ndjson").write_bytes(b"\n".join(lines))
    result = imported("a.ndjson")
    assert counts(result) == (3, 0, 2)
    assert "line 4: metadata must be a JSON object" in result.stderr
    assert "line 5: source has more than" in result.stderr
    assert [(each.source, each.metadata) for each in stored()] == [
        ("poller", '{"a": 1.0, "b":"\\u00e9"}'), (None, None), ("import", None),
    ]  # fmt: skip
    (here / "b.ndjson").write_bytes(b'{"at": "2020-01-01T00:00:00Z", "body": "1", "source": 5}')
    assert "source is a JSON number, not a JSON string" in imported("b.ndjson", code=1).stderr


def test_the_project_is_the_only_one_there_is(here: Path) -> None:
    path = here / "a.ndjson"
    path.write_bytes(line(second(0), "0"))
    assert CliRunner().invoke(cli, ["key", "create", "--project", "home"]).exit_code == 0
    assert "read into the project home" in imported("a.ndjson").stdout
    assert len(stored(project="home")) == 1
    assert CliRunner().invoke(cli, ["key", "create", "--project", "work"]).exit_code == 0
    assert "say which with --project: home, work" in imported("a.ndjson", code=1).stderr
    imported("a.ndjson", "--project", "default")
    assert "read into the project default" in imported("a.ndjson").stdout


def test_counts_in_words(here: Path) -> None:
    (here / "one.ndjson").write_bytes(line(second(0), "0"))
    assert imported("one.ndjson").stdout == (
        "e: 1 version stored, 0 were there already, 0 refused, 1 byte read into the project default\n"
    )
    lines = [line(second(0), "0"), line(second(1), "[" * 3), line(second(2), json.dumps("x" * 2000))]
    (here / "two.ndjson").write_bytes(b"".join(lines))
    assert imported("two.ndjson").stdout == (
        "e: 1 version stored, 1 were there already, 1 refused (not JSON, too large, or from before 1970 or in the "
        "future), 2.0 kB read into the project default\n"
    )
