import importlib

import pytest
from click.testing import CliRunner

from delta_server import __version__
from delta_server.cli import serve
from delta_server.cli.main import COMMANDS, cli
from delta_server.config.plans import Plans, rows_of
from delta_server.config.sections import Config
from delta_server.config.values import OPTIONS
from delta_server.core.errors import DeltaError


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> CliRunner:
    monkeypatch.chdir(str(tmp_path))
    return CliRunner()


def test_bad_usage_exits_2(runner: CliRunner) -> None:
    assert runner.invoke(cli, ["dance"]).exit_code == 2
    assert runner.invoke(cli, ["serve", "--dance"]).exit_code == 2


@pytest.mark.parametrize(
    ("word", "says"), [("serv", "(serve?)"), ("blam", "(blame?)"), ("xyzzy", 'no command "xyzzy"')]
)
def test_a_mistyped_command_is_answered_with_the_nearest(runner: CliRunner, word: str, says: str) -> None:
    result = runner.invoke(cli, [word])
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_an_expected_failure_prints_its_message_and_exits_1(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_config: Config, _listener: object) -> None:
        raise DeltaError("the moon is full: wait a day")

    monkeypatch.setattr(serve, "run", fail)
    result = runner.invoke(cli, ["serve", "--port", "0"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: the moon is full: wait a day\n"


def test_a_bad_configuration_stops_every_command(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["serve", "--port", "seven"])
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: server.port (--port): expected a whole number from 0 to 65535, got 'seven'\n",
    )


def test_config_show_tells_values_and_their_sources(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["config", "show", "--data-dir", "here"], env={"DELTA_SERVER_PORT": "81"})
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == [*OPTIONS, *(name for name, _ in rows_of(Plans()))]
    assert ["server.port", "=", "81", "#", "DELTA_SERVER_PORT"] in lines
    assert ["storage.data_dir", "=", '"here"', "#", "--data-dir"] in lines
    assert ["log.level", "=", '"info"', "#", "default"] in lines


def test_version(runner: CliRunner) -> None:
    assert runner.invoke(cli, ["version"]).stdout == f"{__version__}\n"
    assert __version__ in runner.invoke(cli, ["--version"]).stdout


def test_help_lists_all_commands_without_importing_them(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> object:
        raise AssertionError(f"{name} was imported")

    monkeypatch.setattr(importlib, "import_module", refuse)
    text = runner.invoke(cli, ["--help"]).stdout
    assert [name for name, (_, line) in COMMANDS.items() if name not in text or line[:40] not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(runner: CliRunner, name: str) -> None:
    result = runner.invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"Usage: cli {name}" in result.stdout
