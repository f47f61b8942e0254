"""`delta-server project ...`, without a server and beside one."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from delta_server.cli import asking
from delta_server.cli import project as project_cli
from delta_server.cli.main import cli
from delta_server.features.projects import project_commands
from tests import server_process
from tests.conftest import bearer


def run(data_dir: Path, *args: str, input: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["project", *args, "--data-dir", str(data_dir)], input=input)
    return done.exit_code, done.output


def listed(data_dir: Path, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(data_dir, "list", "--json", *options)[1].splitlines()]


REFUSED = [
    (("create", "shop"), "a project named shop already"),
    (("create", "a\nb"), "name"),
    (("create", "other", "--plan", "gold"), "there is no plan"),
    (("rename", "nowhere", "here"), "no such project"),
    (("rename", "shop", ""), "name"),
    (("rename", "shop", "home"), "a project named home already"),
    (("plan", "shop", "gold"), "it is one of free, pro, enterprise"),
    (("plan", "nowhere", "pro"), "no such project"),
    (("members", "nowhere"), "no such project"),
    (("members", "shop", "--set", "bo@example.com", "admin"), "no such user"),
    (("members", "shop", "--set", "bo@example.com", "king"), "'king' is not one of"),
    (("members", "shop", "--remove", "bo@example.com"), "no such user"),
    (("members", "shop", "--remove", "a", "--set", "b", "admin"), "either --set or --remove"),
    (("delete", "nowhere", "--yes"), "no such project"),
    (("delete", "shop"), "no terminal to ask on: say --yes"),
    (("delete", "shop", "--purge"), "no terminal to ask on: say --yes"),
    (("restore", "shop"), "no such project in the bin"),
    (("restore", "nowhere"), "no such project in the bin"),
    (("transfer", "shop", "bo@example.com"), "no such user"),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("projects") / "data"
    for name in ("shop", "home"):
        assert run(found, "create", name)[0] == 0
    return found


@pytest.mark.parametrize(("args", "says"), REFUSED, ids=lambda value: " ".join(value) if value else "")
def test_refusals_change_nothing(data_dir: Path, args: tuple[str, ...], says: str) -> None:
    before = listed(data_dir)
    code, output = run(data_dir, *args)
    assert code != 0
    assert says in output
    assert listed(data_dir) == before


def test_projects_are_made_changed_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(run(tmp_path, "create", "shop", "--plan", "free", "--description", "prices", "--json")[1])
    assert (made["name"], made["plan"], made["description"]) == ("shop", "free", "prices")
    for name in ("b", "a"):
        assert run(tmp_path, "create", name)[0] == 0
    assert run(tmp_path, "plan", "shop", "pro") == (0, "shop has the plan pro now.\n")
    assert run(tmp_path, "rename", made["id"], "store")[0] == 0
    for module in (project_cli, project_commands):
        monkeypatch.setattr(module, "LISTED_AT_ONCE", 2)
    assert [(each["name"], each["plan"]) for each in listed(tmp_path)] == [
        ("a", "enterprise"),
        ("b", "enterprise"),
        ("store", "pro"),
    ]
    assert run(tmp_path, "delete", "a")[0] == 2
    monkeypatch.setattr(asking, "is_terminal", lambda: True)
    assert run(tmp_path, "delete", "a", input="n\n")[0] == 1
    assert run(tmp_path, "delete", "a", input="y\n")[0] == 0
    for name in ("b", "store"):
        deleted = json.loads(run(tmp_path, "delete", name, "--yes", "--json")[1])
        assert (deleted["name"], "purge_at" in deleted) == (name, True)
    assert listed(tmp_path) == []
    assert [each["name"] for each in listed(tmp_path, "--deleted")] == ["store", "b", "a"]
    assert run(tmp_path, "create", "b")[0] == 0
    code, refused = run(tmp_path, "restore", "b")
    assert (code, "?name=" in refused) == (1, True)
    restored = json.loads(run(tmp_path, "restore", "b", "--name", "c", "--json")[1])
    assert (restored["name"], "purge_at" in restored) == ("c", False)
    assert run(tmp_path, "restore", made["id"])[0] == 0
    assert run(tmp_path, "delete", "a", "--purge", "--yes")[0] == 0
    assert run(tmp_path, "restore", "a")[0] == 1
    assert [each["name"] for each in listed(tmp_path)] == ["b", "c", "store"]
    assert listed(tmp_path, "--deleted") == []


def test_a_project_is_transferred(tmp_path: Path) -> None:
    assert run(tmp_path, "create", "shop")[0] == 0
    user = ["user", "add", "bo@example.com", "--name", "Bo", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(cli, user, input="correct horse battery\n").exit_code == 0
    assert run(tmp_path, "transfer", "shop", "nobody@example.com")[0] == 1
    assert run(tmp_path, "transfer", "shop", "bo@example.com") == (0, "shop is owned by bo@example.com now.\n")
    assert json.loads(run(tmp_path, "members", "shop", "--json")[1])["role"] == "admin"


def test_members_are_added_changed_and_removed(tmp_path: Path) -> None:
    assert run(tmp_path, "create", "shop")[0] == 0
    user = ["user", "add", "bo@example.com", "--name", "Bo", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(cli, user, input="correct horse battery\n").exit_code == 0
    for role in ("viewer", "admin"):
        row = json.loads(run(tmp_path, "members", "shop", "--set", "bo@example.com", role, "--json")[1])
        assert (row["email"], row["role"], row["name"]) == ("bo@example.com", role, "Bo")
    assert run(tmp_path, "members", "shop", "--remove", "bo@example.com") == (0, "")


def test_members_are_listed_however_many_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_commands, "LISTED_AT_ONCE", 2)
    assert run(tmp_path, "create", "shop")[0] == 0
    for name in ("ada", "bo", "cy"):
        user = ["user", "add", f"{name}@example.com", "--data-dir", str(tmp_path)]
        assert CliRunner().invoke(cli, user, input="correct horse battery\n").exit_code == 0
        rows = run(tmp_path, "members", "shop", "--set", f"{name}@example.com", "viewer", "--json")[1].splitlines()
    assert [json.loads(row)["email"] for row in rows] == ["ada@example.com", "bo@example.com", "cy@example.com"]


def test_a_running_server_holds_another_plan_at_once_and_stops_those_who_use_a_deleted_project(tmp_path: Path) -> None:
    command = server_process.run
    with server_process.serving(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        command(tmp_path, "project", "create", "shop", "--plan", "free")
        key = bearer(command(tmp_path, "key", "create", "--project", "shop", "--scope", "admin").stdout.strip())
        statuses = [client.post("/v1/endpoints", json={"name": f"e{n}"}, headers=key).status_code for n in range(6)]
        assert statuses == [201] * 5 + [402]
        command(tmp_path, "project", "plan", "shop", "pro")
        assert client.post("/v1/endpoints", json={"name": "e5"}, headers=key).status_code == 201
        assert client.get("/v1/projects/shop/usage", headers=key).json()["plan"] == "pro"
        refused = command(tmp_path, "project", "plan", "shop", "gold", check=False)
        assert (refused.returncode, "there is no plan" in refused.stderr) == (1, True)
        assert [json.loads(command(tmp_path, "project", "list", "--json").stdout)["name"]] == ["shop"]
        event = {"eventType": "bought", "userId": "u1"}
        assert client.post("/v1/events", json=event, headers=key).is_success
        command(tmp_path, "project", "delete", "shop", "--yes")
        assert "\n1 events in" in command(tmp_path, "verify").stdout  # what may come back is verified
        assert client.get("/v1/endpoints", headers=key).status_code == 403
        command(tmp_path, "project", "restore", "shop")
        assert len(client.get("/v1/endpoints", headers=key).json()["data"]) == 6
        command(tmp_path, "project", "delete", "shop", "--yes", "--purge")
        assert client.get("/v1/endpoints", headers=key).status_code == 401
