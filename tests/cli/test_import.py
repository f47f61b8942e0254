"""`import` as a person runs it, over files and git repositories made here."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import zstandard
from click.testing import CliRunner, Result

from delta_server import app as delta_app
from delta_server.cli.main import cli
from delta_server.config import Config, Storage
from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.span import Span
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.features.snapshots.service import New
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.once import Once
from tests.features.history.timelines import QUAKES, quakes
from tests.server_process import environment
from tests.storage.opened import FAST, FakeClock


class Stored(NamedTuple):
    captured_at: str
    body: bytes
    source: str | None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
            return await timeline(services, await services.db.write(_project, project), endpoint)

    return asyncio.run(read())


def _project(tx: Tx, name: str) -> int:
    return projects.ensure(tx, accounts.default_account(tx), name).id


async def timeline(svc: Services, project: int, endpoint: str) -> list[Stored]:
    found = endpoints.resolve(svc, project, endpoint)
    rows = await snapshots.page(svc, project, found, Span(descending=False), limit=10_000, changed_only=False)
    return [Stored(times.format(row.captured_at), await snapshots.read(svc, row), row.source) for row in rows]


def line(at: str, body: str) -> bytes:
    return json.dumps({"at": at, "body": body}).encode() + b"\n"


def second(moment: float) -> str:
    return f"2020-01-01T{int(moment) // 3600:02}:{int(moment) // 60 % 60:02}:{moment % 60:06.3f}Z"


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
    project = await services.db.write(_project, "p")
    moments = [0, 0, 0, 1, 1, 5, 5, 3, 3, 5, 0, 9, 9, 9] * 50
    whole = [Version(1000 * moment + 1000 * 20 * (n // 14), b"[%d]" % (n % 4)) for n, moment in enumerate(moments)]
    small = Config(storage=services.config.storage)
    packs = msgspec.structs.replace(small.packs, pack_contents=30)
    svc = msgspec.structs.replace(services, config=msgspec.structs.replace(small, packs=packs))

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


async def test_what_comes_twice_in_one_run_is_there_once(services: Services) -> None:
    project = await services.db.write(_project, "p")
    once = [Version(1000 * n, b"[%d]" % (n % 3)) for n in range(200)]
    done = await run(services, project, "whole", [*once, *once])
    assert (done.stored, done.skipped) == (200, 200)
    lines = [version for version in once for _ in range(2)]
    done = await run(services, project, "lines", lines)
    assert (done.stored, done.skipped) == (200, 200)
    assert await timeline(services, project, "lines") == await timeline(services, project, "whole")


async def test_a_slow_source_is_stored_every_few_seconds(services: Services, clock: FakeClock) -> None:
    project = await services.db.write(_project, "p")
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
    project = await services.db.write(_project, "p")
    mine = [Version(1000 * n, b'{"mine": %d}' % n) for n in range(1, 30)]
    endpoint = await services.db.write(endpoints.ensure, project, "e")
    theirs = [New(endpoint, b'{"theirs": %d}' % n, 500 * n) for n in range(1, 70)]
    await snapshots.append(services, project, theirs, Once.none())
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
    ("truncated", b'{"at": "2020-01-01", "bo', "line 2: JSON is malformed"),
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
    ("half a surrogate pair", b'{"at": "2020-01-01", "body": "\\ud800"}', "line 2:"),
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
    assert "1 versions were stored" in message
    assert "`" not in message or "missing" in message


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
    command = [sys.executable, "-m", "delta_server", "import", "--endpoint", "e"]
    text = b"".join(history(30))
    for data, arguments in ((text, ["-"]), (zstandard.compress(text), ["-"]), (text, ["/dev/stdin"])):
        done = subprocess.run([*command, *arguments], input=data, env=environment(), capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
    assert len(stored()) == 30


def test_ctrl_c_tells_what_was_kept(here: Path) -> None:
    command = [sys.executable, "-m", "delta_server", "import", "--endpoint", "e", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"".join(history(5000)))  # more than a pipe holds: once it is written, it is being read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()
        assert process.wait(timeout=20) == 130
    assert re.search(r"Interrupted. \d+ versions were stored and are kept", told)
    assert "run the same command again" in told
    assert "Traceback" not in told


# git


class Repository:
    """Commits at given seconds of 2020-01-01."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, at: float = 0) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        moment = second(at).replace(".000Z", "+00:00")
        environment = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment, "PATH": "/usr/bin:/bin", "HOME": "/"}
        command = ["git", "-C", str(self.path), *settings, *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def commit(self, at: float, files: dict[str, bytes | None]) -> None:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "m", at=at)


@pytest.fixture
def repository(here: Path) -> Repository:
    return Repository(here / "repository")


def test_every_version_of_a_file_in_git(repository: Repository) -> None:
    repository.commit(1, {"data.json": b'{"a": 1}\n', "other.json": b"[]"})
    repository.commit(2, {"other.json": b"[1]"})
    repository.commit(3, {"data.json": b'{"a":2}'})
    repository.commit(4, {"data.json": None})
    repository.commit(5, {"data.json": b"<html>oops</html>"})
    repository.commit(6, {"data.json": b""})
    repository.commit(7, {"data.json": b'{"a": 1}\n'})
    repository.commit(7, {"data.json": b'{"a": 3}'})
    repository.commit(7, {"data.json": b'{"a": 1}\n'})
    repository.commit(8, {"data.json": b'{"a": 4}'})
    first = imported("--git", "repository", "data.json")
    assert counts(first) == (6, 0, 2)
    assert first.stderr.count("refused: commit ") == 2
    assert [(each.captured_at, each.body) for each in stored()] == [
        (second(1), b'{"a": 1}\n'),
        (second(3), b'{"a":2}'),
        (second(7), b'{"a": 1}\n'),
        (second(7.001), b'{"a": 3}'),
        (second(7.002), b'{"a": 1}\n'),
        (second(8), b'{"a": 4}'),
    ]
    assert counts(imported("--git", "repository", "data.json")) == (0, 6, 2)
    repository.commit(9, {"data.json": b'{"a": 5}'})
    assert counts(imported("--git", "repository", "data.json")) == (1, 6, 2)


def test_commits_out_of_the_order_of_their_times(repository: Repository) -> None:
    for n, at in enumerate((10, 30, 20, 30, 20, 5)):
        repository.commit(at, {"data.json": b"[%d]" % n})
    first = imported("--git", "repository", "data.json")
    assert counts(first) == (6, 0, 0)
    kept = stored()
    assert [each.captured_at for each in kept] == [second(at) for at in (5, 10, 20, 20.001, 30, 30.001)]
    assert counts(imported("--git", "repository", "data.json")) == (0, 6, 0)
    assert stored() == kept


@pytest.mark.parametrize("name", ["a b.json", "data[1].json", "sub/dir/data.json", "é.json", "*.json", "-x.json", ":x"])
def test_paths_are_taken_as_they_are(repository: Repository, name: str) -> None:
    repository.commit(1, {name: b"[1]", "data1.json": b"[0]", "a.json": b"[0]"})
    repository.commit(2, {name: b"[2]", "data1.json": b"[9]", "a.json": b"[9]"})
    assert counts(imported("--git", "--", "repository", name)) == (2, 0, 0)
    assert [each.body for each in stored()] == [b"[1]", b"[2]"]


def test_repositories_in_other_forms(repository: Repository, here: Path) -> None:
    repository.commit(1, {"sub/data.json": b"[1]"})
    repository.git("clone", "-q", "--bare", ".", str(here / "bare.git"))
    for n, place in enumerate(("repository/sub", "bare.git", "repository/.git")):
        assert counts(imported("--git", place, "sub/data.json", endpoint=f"e{n}")) == (1, 0, 0)
        assert stored(f"e{n}") == [Stored(second(1), b"[1]", "import")]


def test_what_git_does_not_know(repository: Repository, here: Path) -> None:
    repository.commit(1, {"data.json": b"[1]"})
    assert counts(imported("--git", "repository", "./sub/..//data.json")) == (1, 0, 0)
    for path in ("", ".", "./", "/data.json", "../data.json"):
        assert "is not a file in the repository" in imported("--git", "repository", path, code=1).stderr
    assert "git knows no version of none.json" in imported("--git", "repository", "none.json", code=1).stderr
    assert "git says: " in imported("--git", str(here / "nowhere"), "data.json", code=1).stderr
    (here / "plain").mkdir()
    assert "not a git repository" in imported("--git", "plain", "data.json", code=1).stderr
