"""`events import`: into a directory and through a running server, twice, in part, and not at all."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result

from delta_server.cli import event_imports
from delta_server.cli.carrying import Carrier
from delta_server.cli.main import cli
from delta_server.tasks.feeding import Part
from tests import server_process

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"


def log(path: Path, count: int) -> Path:
    at = "[10/Oct/2025:13:{:02}:{:02} +0000]"
    lines = [
        f'192.0.2.{n % 250} - - {at.format(n // 60 % 60, n % 60)} "GET /{n} HTTP/1.1" 200 9 "-" "{AGENT}"'
        for n in range(count)
    ]
    path.write_bytes(gzip.compress("\n".join([*lines, "secret@example.com nonsense", ""]).encode()))
    return path


def imported(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["events", "import", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert "secret@example.com" not in result.output
    return result


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(event_imports, "AT_ONCE", 10)
    monkeypatch.setattr(event_imports, "CHUNK", 2)


def test_a_log_is_imported_once(tmp_path: Path) -> None:
    path = str(log(tmp_path / "access.log.gz", 45))
    dry = imported("nginx", path, "--dry-run")
    assert "45 events would be taken; nothing was stored" in dry.output
    assert "not taken: 1 where it is not of the form of the log (access.log.gz:46)" in dry.output
    assert not (tmp_path / "delta-data").exists()
    assert "45 events stored, 0 were there already" in imported("nginx", path).output
    renamed = str(Path(path).rename(tmp_path / "access.log.1.gz"))
    assert "0 events stored, 45 were there already" in imported("nginx", renamed).output
    assert "15 were there already" in imported("nginx", renamed, "--from-line", "31").output
    stats = CliRunner().invoke(cli, ["events", "stats"]).output
    assert "45 events wait" in stats


def test_what_was_stored_is_said_when_a_file_breaks_off(tmp_path: Path) -> None:
    path = log(tmp_path / "access.log.gz", 4000)
    path.write_bytes(path.read_bytes()[:-400])
    result = imported("nginx", str(path), code=1)
    assert "access.log.gz: the file ends too early" in result.output
    assert "Run the same command again" in result.output


def test_an_interrupt_says_what_may_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, run, turns = str(log(tmp_path / "access.log.gz", 45)), Carrier.run, iter(range(2))

    async def interrupted(carrier: Carrier, name: str, arguments: Any, parts: Iterator[Part] | None = None) -> Any:
        answer = await run(carrier, name, arguments, parts)
        if next(turns) == 1:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(Carrier, "run", interrupted)
    output = imported("nginx", path, code=130).output
    assert "20 events are stored, and of the next 20 maybe some. All up to line 20 of access.log.gz is stored" in output
    monkeypatch.setattr(Carrier, "run", run)
    assert "5 events stored, 40 were there already" in imported("nginx", path).output


@pytest.mark.parametrize("format", ["plausible", "umami", "goatcounter", "segment"])
def test_an_archive_is_to_be_unpacked(tmp_path: Path, format: str) -> None:
    with ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr("imported_pages_20240101_20240201.csv", "date\n")
    output = imported(format, str(tmp_path / "export.zip"), code=1).output
    assert "export.zip: it is a ZIP archive: unpack it" in output


def test_another_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("event_id,Date\n1,2\n")
    output = imported("goatcounter", str(tmp_path / "other.csv"), code=1).output
    assert "Error: other.csv: it is no export of goatcounter: it has no column Event, Path" in output


def test_through_a_running_server(tmp_path: Path) -> None:
    path = str(log(tmp_path / "access.log.gz", 45))
    server_process.create_key(tmp_path, None)
    with server_process.serving(tmp_path):
        assert "45 events stored" in imported("nginx", path, "--project", "logs").output
        assert "45 were there already" in imported("nginx", path, "--project", "logs").output


def test_exports(tmp_path: Path) -> None:
    path = tmp_path / "imported_pages_20251001_20251031.csv"
    path.write_text('\ufeffdate,hostname,page,visitors\n2025-10-10,a.example,"/a\nb",3\n2025-10-10,a.example,/c,x\n')
    result = imported("plausible", str(path))
    assert "1 events stored" in result.output
    assert "a count is not a number" in result.output
    assert "has no column" in imported("umami", str(path), code=1).output
    assert "Invalid value" in imported("piwik", str(path), code=2).output
