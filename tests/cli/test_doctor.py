"""`doctor` and `healthcheck`, without a server and beside a real one."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from delta_server.cli.main import cli
from delta_server.config import checkup
from delta_server.config.sections import Config, Egress
from delta_server.config.sections import Server as Listening
from delta_server.storage import checkup as storage_checkup
from tests.server_process import Server, create_key, serving


@pytest.fixture(autouse=True)
def on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever tests write to (temporary.py)."""
    monkeypatch.setattr(storage_checkup, "_PASSING", frozenset())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    directory = tmp_path_factory.mktemp("doctor")
    create_key(directory, "home")
    with serving(directory) as server:
        yield directory, server


def run(*words: str, **env: str) -> Result:
    return CliRunner().invoke(cli, list(words), env=env)


def found(result: Result) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(result.stdout)["findings"]}


def test_a_sound_server_is_found_sound_while_it_runs(running: tuple[Path, Server]) -> None:
    directory, server = running
    words = ("--data-dir", str(directory / "delta-data"), "--port", server.url.rpartition(":")[2])
    result = run("doctor", *words, "--json")
    assert result.exit_code == 0, result.stdout
    checks = found(result)
    sound = ("configuration", "data directory", "permissions", "port", "integrity", "backlog", "egress rules", "TLS")
    assert {name: checks[name]["state"] for name in sound} == dict.fromkeys(sound, "ok")
    assert f"answers at {server.url}" in checks["port"]["says"]
    text = run("doctor", *words).stdout
    assert "ok       integrity" in text

    through = {"DELTA_SERVER_PUBLIC_URL": server.url, "DELTA_SERVER_TRUSTED_PROXIES": "127.0.0.1"}
    assert found(run("doctor", *words, "--json", **through))["public address"]["state"] == "ok"
    wrong = run("doctor", *words, "--json", **{**through, "DELTA_SERVER_PUBLIC_URL": f"{server.url}/elsewhere"})
    assert (wrong.exit_code, found(wrong)["public address"]["state"]) == (1, "problem")
    assert found(run("doctor", *words[:2], "--port", "1", "--json"))["port"]["state"] == "problem"


def test_health_is_an_exit_code(running: tuple[Path, Server]) -> None:
    port = running[1].url.rpartition(":")[2]
    result = run("healthcheck", "--port", port)
    assert (result.exit_code, result.stdout) == (0, "ok\n")
    everywhere = run("healthcheck", "--json", DELTA_SERVER_HOST="0.0.0.0", DELTA_SERVER_PORT=port)
    assert json.loads(everywhere.stdout) == {"status": "ok", "server": "ok", "database": "ok"}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = run("healthcheck", "--json", "--port", str(nobody.getsockname()[1]))
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["status"] == "failing"
    assert "does not answer" in json.loads(refused.stdout)["reason"]


def test_a_damaged_database_is_a_problem(tmp_path: Path) -> None:
    create_key(tmp_path, "home")
    database = tmp_path / "delta-data" / "delta.db"
    damaged = bytearray(database.read_bytes())
    page = int.from_bytes(damaged[16:18], "big")
    middle = len(damaged) // page // 2 * page
    damaged[middle : middle + page] = bytes([0xA5]) * page
    database.write_bytes(damaged)
    words = ("doctor", "--data-dir", str(tmp_path / "delta-data"), "--port", "0", "--json")
    result = run(*words)
    assert result.exit_code == 1
    assert {"integrity", "database"} & {
        name for name, finding in found(result).items() if finding["state"] == "problem"
    }


def test_options_that_cannot_be_read_and_ports_that_are_taken_are_problems(tmp_path: Path) -> None:
    result = run("doctor", "--json", DELTA_SERVER_PORT="seven")
    assert (result.exit_code, list(found(result))) == (1, ["configuration"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("doctor", "--json", "--data-dir", str(tmp_path / "none"), "--port", port)
    assert (result.exit_code, found(result)["port"]["state"]) == (1, "problem")


def _server(**options: Any) -> Config:
    return Config(server=Listening(**options))


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (_server(), "ok"),
        (_server(public_url="https://delta.example.com"), "warning"),
        (_server(public_url="https://delta.example.com", trusted_proxies=("10.0.0.0/8",)), "ok"),
        (_server(trusted_proxies=("0.0.0.0/0",)), "problem"),
    ],
)
def test_proxies_that_are_believed_are_judged(config: Config, state: str) -> None:
    assert checkup.find_proxies(config).state == state


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (_server(), "ok"),
        (_server(host="0.0.0.0"), "warning"),
        (_server(host="0.0.0.0", public_url="https://delta.example.com"), "ok"),
        (_server(host="0.0.0.0", public_url="http://localhost:8080"), "ok"),
        (_server(public_url="http://delta.example.com"), "warning"),
    ],
)
def test_what_travels_without_tls_is_a_warning(config: Config, state: str) -> None:
    assert checkup.find_tls(config).state == state


@pytest.mark.parametrize(
    ("networks", "state"),
    [
        ((), "ok"),
        (("192.168.1.0/24",), "ok"),
        (("127.0.0.1/32",), "warning"),
        (("169.254.169.254/32",), "problem"),
        (("0.0.0.0/0",), "problem"),
    ],
)
def test_networks_that_are_opened_are_judged(networks: tuple[str, ...], state: str) -> None:
    [finding] = checkup.find_egress(Config(egress=Egress(allow_cidrs=networks)))
    assert finding.state == state


def test_cold_storage_is_looked_at(tmp_path: Path) -> None:
    create_key(tmp_path, "home")
    words = ("doctor", "--data-dir", str(tmp_path / "delta-data"), "--port", "0", "--json")
    assert "cold storage" not in found(run(*words))
    there = found(run(*words, DELTA_STORAGE_COLD=str(tmp_path / "cold")))["cold storage"]
    assert (there["state"], "0 packs" in there["says"]) == ("ok", True)
    assert found(run(*words, DELTA_STORAGE_COLD="ftp://nowhere"))["cold storage"]["state"] == "problem"
