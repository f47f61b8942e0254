"""What the documents say is there is there, and the other way round."""

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from delta_server.app import FEATURES, guards_of
from delta_server.cli.main import COMMANDS, cli
from delta_server.config.values import OPTIONS
from delta_server.core.scopes import unions_with
from delta_server.http.health import _COLD_METRICS, _DATABASE_METRICS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=;! ]", text)[0] for text in wanted}
    table = re.findall(r"^\| ([\w-]+) \| .{5,} \|$", read("CONTRIBUTING.md").split("## Dependencies")[1], re.M)
    assert sorted(names) == sorted(table)


def test_every_dependency_is_locked_with_hashes_and_no_index() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    for lock, extras in [("requirements.lock", ["install"]), ("requirements-dev.lock", ["install", "dev"])]:
        text = read(f"packaging/{lock}")
        wanted = project["dependencies"] + [
            name for extra in extras for name in project["optional-dependencies"][extra]
        ]
        names = {re.split(r"[\[<>=;! ]", name)[0].replace("_", "-") for name in wanted}
        locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.M))
        assert names <= locked
        assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)
        assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[a-z])", text, flags=re.M) if "==" in entry)


def test_node_packages_are_locked_with_hashes_and_no_address() -> None:
    locks = [path for path in ROOT.glob("tests/*/node/package-lock.json") if "node_modules" not in path.parts]
    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
        assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_every_make_target_is_told() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.M)
    assert "demo" in targets
    assert [name for name in targets if name != "help" and f"`make {name}`" not in read("CONTRIBUTING.md")] == []


def test_every_command_is_told() -> None:
    assert [name for name in COMMANDS if f"delta-server {name}" not in read("README.md")] == []


def test_what_operators_are_told_of_is_there() -> None:
    """Commands and their flags, options, routes and metrics of docs/operating.md."""
    text = read("docs/operating.md")
    for name, flags in re.findall(r"delta-server ([a-z]+)((?: (?:--[a-z-]+|[A-Z]+|[/$(\\).a-z+%]+))*)", text):
        assert name in COMMANDS
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", flags)) <= known, name
    named = set(re.findall(r"`((?:server|limits|storage|packs|events)\.[a-z_]+)`", text))
    assert named
    assert named <= set(OPTIONS)
    metrics = set(re.findall(r"`(delta_[a-z_]+)`", text))
    queues = {f"delta_{name}" for feature in FEATURES for name in feature.queues}
    made = {f"delta_database_{name}" for name, _, _ in _DATABASE_METRICS} | queues
    made |= {f"delta_cold_{name}" for name, _, _ in _COLD_METRICS}
    made |= {f"delta_cold_{name}" for name, _, _ in _COLD_METRICS}
    sources = read("delta_server/http/health.py") + read("delta_server/http/metrics.py")
    sources += "".join(path.read_text() for path in ROOT.glob("delta_server/features/*/feature.py"))
    assert {name for name in metrics - made if f'"{name}"' not in sources} == set()
    routes = set(re.findall(r"/(?:v1/[a-z]+|healthz/details|metrics)\b", text))
    assert {route for route in routes if ("GET", route) not in guards_of(FEATURES)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_nothing_names_the_machine_it_was_made_on() -> None:
    ours = [ROOT / "Makefile", ROOT / ".ci" / "run", *DOCUMENTS, *ROOT.glob("packaging/*"), *ROOT.glob("*.toml")]
    ours = [path for path in ours if path.is_file()]
    named = re.compile(r"(?<![\w.~])/(?:home|root|srv|mnt)/|(?:index|registry)[-_]?url", re.I)
    assert [path.name for path in ours if named.search(path.read_text(encoding="utf-8"))] == []


def test_the_table_of_scopes_is_that_of_the_guards() -> None:
    """Which scopes there are, and the least unions that have them."""
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "api.md").read_text(), re.M)
    wanted = {access.needs for access in guards_of(FEATURES).values() if access.takes_scope}
    assert sorted(scope for scope, _ in rows) == sorted(wanted)
    for scope, said in rows:
        least = {union for union in unions_with(scope) if union == "ingest"}
        least.add(next(union for union in unions_with(scope) if union != "ingest"))
        assert set(re.findall(r"`(\w+)`", said)) == least, scope


def test_every_logger_is_told() -> None:
    """Of `log.levels`; the others are called by their module."""
    named = re.compile(r'get_logger\("(delta\.[a-z_]+)"')
    found = {name for path in (ROOT / "delta_server").rglob("*.py") for name in named.findall(path.read_text("utf-8"))}
    documented = read("docs/operating.md")
    assert found
    assert [name for name in found if f"`{name}`" not in documented and f"`{name[6:]}`" not in documented] == []
