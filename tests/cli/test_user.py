import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from delta_server.cli import user as user_cli
from delta_server.cli.main import cli
from delta_server.features.users import commands

PASSWORD = "correct horse battery\n"


def run(data_dir: Path, *args: str, input: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [*args, "--data-dir", str(data_dir)], input=input)
    return done.exit_code, done.output


REFUSED = [
    (("user", "add", "ada"), PASSWORD, "e-mail address"),
    (("user", "add", "ada@example.com"), "short\n", "10 to 256 characters"),
    (("user", "add", "ada@example.com"), "", "10 to 256 characters"),
    (("user", "add", "owner@example.com"), PASSWORD, "a user owner@example.com already"),
    (("user", "add", "ada@example.com", "--role", "root"), PASSWORD, "'root' is not one of"),
    (("user", "disable", "owner@example.com"), None, "last owner"),
    (("user", "role", "owner@example.com", "member"), None, "last owner"),
    (("user", "enable", "ada@example.com"), None, "no user ada@example.com"),
    (("user", "reset-link", "ada@example.com"), None, "no user ada@example.com"),
    (("setup-link",), None, "there are users already"),
    (("user", "invite", "ada"), None, "e-mail address"),
    (("user", "invite", "ada@example.com", "--role", "viewer"), None, "--role must be one of owner, admin, member"),
    (("user", "invite", "ada@example.com", "--expires-in", "1y"), None, "expires_in"),
    (("user", "invite", "ada@example.com", "--project", "none"), None, "no project"),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("users") / "data"
    assert run(found, "user", "add", "owner@example.com", "--role", "owner", input=PASSWORD)[0] == 0
    return found


@pytest.mark.parametrize(("args", "input", "says"), REFUSED, ids=lambda value: " ".join(value or ()) if value else "")
def test_refusals_change_nothing(data_dir: Path, args: tuple[str, ...], input: str | None, says: str) -> None:
    before = run(data_dir, "user", "list", "--json")
    code, output = run(data_dir, *args, input=input)
    assert code != 0
    assert says in output
    assert run(data_dir, "user", "list", "--json") == before


def test_all_users_are_listed_however_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (commands, user_cli):
        monkeypatch.setattr(module, "LISTED_AT_ONCE", 2)
    names = ("ada", "bo", "cy", "dan")
    for count, name in enumerate(names, start=1):
        assert run(tmp_path, "user", "add", f"{name}@example.com", input=PASSWORD)[0] == 0
        rows = [json.loads(line) for line in run(tmp_path, "user", "list", "--json")[1].splitlines()]
        assert [row["email"] for row in rows] == [f"{each}@example.com" for each in names[:count]]


def test_users_are_added_and_changed(tmp_path: Path) -> None:
    assert run(tmp_path, "setup-link")[0] == 0
    assert run(tmp_path, "user", "add", "Ada@Example.com", "--role", "owner", input=PASSWORD)[0] == 0
    assert run(tmp_path, "user", "add", "bo@example.com", "--name", "Bo", input=PASSWORD)[0] == 0
    assert run(tmp_path, "user", "role", "bo@example.com", "admin")[0] == 0
    assert run(tmp_path, "user", "disable", "bo@example.com")[0] == 0
    rows = [json.loads(line) for line in run(tmp_path, "user", "list", "--json")[1].splitlines()]
    assert [(row["email"], row["role"], row["state"]) for row in rows] == [
        ("ada@example.com", "owner", "active"),
        ("bo@example.com", "admin", "disabled"),
    ]
    assert run(tmp_path, "user", "role", "ada@example.com", "member", "--force")[0] == 0
    assert run(tmp_path, "user", "role", "ada@example.com", "owner")[0] == 0
    assert run(tmp_path, "user", "enable", "bo@example.com")[0] == 0
    assert "bo@example.com  admin  active  Bo" in run(tmp_path, "user", "list")[1]
    code, output = run(tmp_path, "user", "reset-link", "bo@example.com")
    assert code == 0
    assert len(output.split()[0]) == 48


def test_people_are_invited(data_dir: Path) -> None:
    code, output = run(data_dir, "user", "invite", "Bo@Example.com", "--role", "admin")
    assert code == 0
    assert output.startswith("di_")
    assert run(data_dir, "key", "create", "--project", "shop")[0] == 0
    code, output = run(data_dir, "user", "invite", "bo@example.com", "--project", "shop", "--json")
    assert code == 0
    made = json.loads(output)
    shown = made["invitation"]
    assert (shown["email"], shown["role"], shown["project"], shown["invited_by"]) == (
        *("bo@example.com", "viewer", "shop"),
        None,
    )
    assert (made["token"][:3], made["link"]) == ("di_", None)


LINKS = [(("setup-link",), "/setup#"), (("user", "invite", "bo@example.com"), "/link#invitation=")]
LINKS += [(("user", "reset-link", "ada@example.com"), "/link#reset=")]


@pytest.mark.parametrize(("args", "page"), LINKS, ids=lambda value: " ".join(value))
def test_tokens_say_the_page_that_they_are_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], page: str
) -> None:
    if args != ("setup-link",):
        assert run(tmp_path, "user", "add", "ada@example.com", input=PASSWORD)[0] == 0
    token, said = run(tmp_path, *args)[1].split("\n", 1)
    assert f"{page}TOKEN at the server's address" in said
    assert token not in said
    monkeypatch.setenv("DELTA_SERVER_PUBLIC_URL", "https://delta.example.com/base/")
    assert re.fullmatch(rf"https://delta\.example\.com/base{page}\w{{48,}}\n", run(tmp_path, *args)[1])
    as_json = json.loads(run(tmp_path, *args, "--json")[1])
    assert as_json["link"] == f"https://delta.example.com/base{page}{as_json['token']}"


def test_answers_are_json_when_asked_for(tmp_path: Path) -> None:
    def said(*args: str, input: str | None = None) -> object:
        code, output = run(tmp_path, *args, "--json", input=input)
        assert code == 0, output
        return json.loads(output)

    assert said("user", "add", "ada@example.com", "--role", "owner", input=PASSWORD) == {
        "email": "ada@example.com",
        "role": "owner",
    }
    assert run(tmp_path, "user", "add", "bo@example.com", input=PASSWORD)[0] == 0
    assert said("user", "role", "bo@example.com", "admin") == {"email": "bo@example.com", "role": "admin"}
    assert said("user", "disable", "bo@example.com") == {"email": "bo@example.com", "state": "disabled"}
    assert said("user", "enable", "bo@example.com") == {"email": "bo@example.com", "state": "active"}
    link = said("user", "reset-link", "bo@example.com")
    assert isinstance(link, dict)
    assert (link["email"], len(link["token"]), link["link"]) == ("bo@example.com", 48, None)
