"""`export` writes what `import` reads: bytes, times, sources and metadata come back as they were."""

import gzip
import io
import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import apsw
import pytest
import zstandard
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delta_server.cli import export as exporting
from delta_server.cli import histories
from delta_server.cli.main import cli
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.importing import import_versions
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey
from delta_server.storage.sqlite.directory_lock import DirectoryLock
from tests.cli.imports import counts, imported, line, project_id, second, stored
from tests.features.history.timelines import QUAKES
from tests.server_process import run, start

NUMBERS = itertools.count()
SOME = 50
EVERYTHING = TimelineSpan(descending=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exported(*arguments: str, endpoint: str = "e", code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["export", "--endpoint", endpoint, *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda value, ascii, indent, end: (json.dumps(value, ensure_ascii=ascii, indent=indent) + end).encode(),
    JSON,
    st.booleans(),
    st.sampled_from([None, 0, 2]),
    st.sampled_from(["", "\n", " \r\n"]),
)
SNAPSHOTS = st.lists(
    st.tuples(
        st.integers(0, 40) | st.integers(0, 10**12),
        DOCUMENTS | st.sampled_from([b"1", b"[1e400, 1.10]", b'"\\u2028\\ud83d\\ude00"']),
        st.none() | st.just("import") | TEXT.filter(lambda text: "\0" not in text),
        st.none() | st.dictionaries(TEXT, JSON, max_size=3),
        st.sampled_from([None, 2]),
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=SNAPSHOTS)
async def test_what_is_exported_and_imported_is_the_same(services: Services, made: list[Any]) -> None:
    name = f"e{next(NUMBERS)}"
    mine, other = [await services.db.write(project_id, project) for project in ("mine", "other")]
    for at, body, source, metadata, indent in made:
        endpoint = await services.db.write(endpoints.ensure, mine, name)
        described = None if metadata is None else json.dumps(metadata, indent=indent)
        await snapshots.create_snapshots(
            services, mine, [NewSnapshot(endpoint, body, at, source, described)], IdempotencyKey.none()
        )
    await services.db.write(endpoints.ensure, mine, name)
    first, again = io.BytesIO(), io.BytesIO()
    assert await exporting.write(services, endpoints.resolve(services, mine, name), EVERYTHING, first) == len(made)
    file: Any = io.BufferedReader(io.BytesIO(first.getvalue()))
    versions = list(histories.read_ndjson(file, "file", lambda done: None))
    assert sorted(version.body for version in versions) == sorted(body for _, body, *_ in made)
    done = await import_versions(services, other, name, versions, lambda done: None)
    assert (done.stored, done.refused) == (len(made), 0)
    await exporting.write(services, endpoints.resolve(services, other, name), EVERYTHING, again)
    assert again.getvalue() == first.getvalue()


def import_quakes(here: Path) -> None:
    """The first of them: 3 MB."""
    with zstandard.open(QUAKES, "rt", encoding="utf-8", newline="") as history:
        (here / "quakes").write_text("".join(itertools.islice(history, SOME)), encoding="utf-8")
    imported("quakes")


def test_a_recorded_history_there_and_back(here: Path) -> None:
    import_quakes(here)
    kept = stored()
    assert f"e: {SOME} versions written to one.ndjson.zst, " in exported("one.ndjson.zst").stdout
    exported("two.ndjson.gz")
    exported("three.ndjson")
    plain = (here / "three.ndjson").read_bytes()
    assert zstandard.ZstdDecompressor().stream_reader((here / "one.ndjson.zst").open("rb")).read() == plain
    assert gzip.decompress((here / "two.ndjson.gz").read_bytes()) == plain
    assert exported().stdout_bytes == plain
    assert gzip.decompress(exported("--compress", "gz").stdout_bytes) == plain
    assert [set(json.loads(text)) for text in plain.splitlines()] == [{"at", "body"}] * SOME
    for number, name in enumerate(("one.ndjson.zst", "two.ndjson.gz", "three.ndjson")):
        data_dir = ["--data-dir", f"fresh{number}"]
        assert counts(imported(name, *data_dir)) == (SOME, 0, 0)
        assert exported(*data_dir).stdout_bytes == plain
    assert stored() == kept


def test_a_part(here: Path) -> None:
    (here / "a").write_bytes(b"".join(line(second(n), str(n // 2)) for n in range(3000)))
    imported("a")
    lines = exported("--from", second(10), "--to", second(2500)).stdout.splitlines()
    assert [json.loads(text)["at"] for text in lines] == [second(n) for n in range(10, 2500)]
    assert [json.loads(text)["body"] for text in lines] == [str(n // 2) for n in range(10, 2500)]
    assert exported("--from", "1h").stdout == ""


def test_refused(here: Path) -> None:
    assert "there is no Delta database" in exported(code=1).stderr
    assert not (here / "delta-data").exists()
    (here / "a").write_bytes(line(second(0), "0"))
    imported("a", "--project", "home")
    refused = exported(endpoint="none", code=1)
    assert "there is no endpoint none in the project" in refused.stderr
    assert refused.stdout == ""
    assert "no project named other: home" in exported("--project", "other", code=1).stderr
    assert "--from must be a time" in exported("--from", "soon", code=1).stderr
    (here / "out").write_bytes(b"mine")
    assert "out exists" in exported("out", code=1).stderr
    assert (here / "out").read_bytes() == b"mine"
    exported("out", "--overwrite")
    assert (here / "out").read_bytes() == exported().stdout_bytes
    assert "No such file or directory" in exported("nowhere/out", code=1).stderr
    imported("a", "--project", "work")
    assert "say which with --project: home, work" in exported(code=1).stderr


def test_beside_a_running_server(here: Path) -> None:
    """Whoever holds the directory's lock may write; reading takes none."""
    (here / "a").write_bytes(line(second(0), "0") + line(second(1), "1"))
    imported("a")
    lock = DirectoryLock(here / "delta-data")
    try:
        assert len(exported().stdout.splitlines()) == 2
    finally:
        lock.release()


def test_a_database_of_another_version_is_left_as_it_is(here: Path) -> None:
    (here / "a").write_bytes(line(second(0), "0"))
    imported("a")
    connection = apsw.Connection(str(here / "delta-data" / "delta.db"))
    for version in (1, 9999):
        connection.pragma("user_version", version)
        assert f"the database has schema {version}, of another version" in exported(code=1).stderr
        assert connection.pragma("user_version") == version


@pytest.mark.parametrize("name", ["out", "out.gz", "out.zst"])
def test_damage_leaves_nothing_that_looks_whole(here: Path, name: str) -> None:
    (here / "a").write_bytes(b"".join(line(second(n), json.dumps([n] * 50)) for n in range(50)))
    for part in ("a", "a"):
        imported(part)
    connection = apsw.Connection(str(here / "delta-data" / "delta.db"))
    connection.execute("UPDATE frame SET data = zeroblob(length(data))")
    connection.close()
    assert "is damaged" in exported(name, code=1).stderr
    assert sorted(path.name for path in here.iterdir()) == ["a", "delta-data"]
    kind = {"out": "none", "out.gz": "gz", "out.zst": "zst"}[name]
    (here / "piped").write_bytes(exported("--compress", kind, code=1).stdout_bytes)
    assert imported("piped", "--data-dir", "fresh", code=1).exit_code == 1


def test_to_a_pipe(here: Path) -> None:
    import_quakes(here)
    command = ("export", "--endpoint", "e")
    whole = run(here, *command)
    assert len(whole.stdout.splitlines()) == SOME
    assert whole.stderr == ""
    with start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_no_snapshots(here: Path) -> None:
    (here / "a").write_bytes(b"")
    imported("a")
    assert exported().stdout == ""
    assert "0 versions written" in exported("out").stdout
