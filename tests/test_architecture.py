"""The laws of the house, read from the source. CONTRIBUTING.md explains them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from delta_server import app
from delta_server.http.server_feature import SERVER
from delta_server.services import Services
from delta_server.storage.sqlite.schema import packaged

PACKAGE = Path(__file__).parent.parent / "delta_server"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = [
    *(
        "core",
        "storage",
        "rowdelta",
        "config",
        "log_output",
        "logging",
        "egress",
        "tasks",
        "services",
        "http",
        "features",
        "app",
        "cli",
    ),
    "__main__",
]
FEATURES = [feature.name for feature in app.FEATURES if feature is not SERVER]
TABLES_OF_STORAGE = {
    "storage/cold": "cold_object cold_place",
    "storage/contents": "content frame pack",
    "storage/events": "event_block event_settings segment segment_data key_run key_page rollup rollup_data",
    "storage/idempotency": "once",
    "storage/jobs": "job",
    "storage/large_files": "file_part",
    "storage/outbox": "outbox outbox_cursor",
    "storage/sqlite": "absent",
}
"""Tables of no feature, by the folder or module whose SQL names them."""
NAMED_BY_OTHERS = {
    "what hangs on a project or an account is counted and deleted with it": {
        "features/accounts": "project",
        "features/audit": "project",
        "features/projects": "endpoint",
        "features/usage": "content endpoint event_block frame pack profile project rollup segment snapshot sync_space"
        " webhook dataset_client dataset_upload",
        "storage/events": "project",
    },
    "lists of keys tell of who made them": {"features/accounts": "member user"},
    "an endpoint is shown with the time of its newest snapshot": {"features/endpoints": "snapshot"},
    "lists join snapshots, contents and their deltas, in the order of one index": {
        "storage/contents": "endpoint snapshot",
        "features/deltas": "content endpoint snapshot",
        "features/history": "content delta frame pack",
        "features/fields": "endpoint",
        "features/lives": "content",
        "features/snapshots": "content endpoint",
    },
    "queries of events see persons": {"storage/events": "person_change person_link person_state"},
    "retention is a setting of the store of events": {"features/events": "event_settings"},
}
"""Tables that SQL names outside their owner's. No row may be added: ask the owner's service instead."""
TENANTS = {"account", "project", "endpoint", "endpoints", "user", "session", "webhook", "space", "collection"}
TENANTS |= {"device", "devices"}
"""What a store function's second parameter may be: integer ids that its caller has been checked to own."""
WITHOUT_TENANT = {
    "of the whole instance": {"sync": "epoch set_epoch counts skip_numbers"},
    "finds the tenant": {
        "accounts": "account_named insert_account key",
        "users": "any_user by_email signed_in refresh link",
        "sso": "user_of",
        "invitations": "by_hash",
        "inbound_webhooks": "by_token",
        "feeds": "by_token",
        "boards": "share",
        "registrations": "by_hash",
        "webhooks": "webhook_of",
    },
    "background work for all tenants": {
        "accounts": "unused write_last_uses has_expired",
        "devices": "delete_batches",
        "uploads": "old staged_by_pushes",
        "datasets": "unfinished with_retired clients_above",
        "history": "kept_paths delete_unasked",
        "conflicts": "delete_resolved",
        "alerts": "any_rule projects_with_rules endpoints_with_rules due_rules due_notices delete_cleared_before",
        "anomalies": "delete_before delete_unjudged",
        "audit": "accounts not_begun",
        "cold": "place_of insert_place places insert_free release set_times due delete elsewhere totals adopt"
        " known_keys",
        "contents": "endpoints_with_loose_frames with_packs with_dead newest_frame with_frames_after endpoints count"
        " kept_endpoints",
        "deltas": "has_work queue_length requeue retry_failed waiting",
        "endpoints": "being_removed due next_uncounted",
        "polling": "due next_due any_due_later due_later",
        "schemas": "any_learned all_times",
        "event_schemas": "all_progress",
        "enforcement": "endpoints_with_rules",
        "polls": "next_endpoint",
        "profiles": "any_waits projects_waiting old_aliases",
        "fields": "compact find_single_times",
        "projects": "being_removed removed_and_empty due ids",
        "usage": "expire_days release_keys roll_up to_count to_note",
        "snapshots": "with_retention",
        "users": "delete_ended revoke_all_sessions",
        "invitations": "delete_expired",
        "registrations": "delete_expired",
        "visits": "delete_salts_before",
        "webhooks": "all_on any_webhook count_open with_open with_deliveries with_counts time_at_or_after newest add",
    },
    "by a row that was found with its tenant": {
        "counts": "last_changes counted",
        "deltas": "row to_listed",
        "snapshots": "delete",
    },
}
_FREE = {
    f"{feature}:{name}" for why in WITHOUT_TENANT.values() for feature, names in why.items() for name in names.split()
}
PORTS = {"event_writer", "event_reader", "event_maintenance"}
"""Members of `Services` that are parts of one thing: each is there whoever uses it."""
IMPURE = {
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "structlog",
    "subprocess",
    "threading",
    "time",
}
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|base|common|misc)($|_)")
SQL = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+|PRAGMA|CREATE (TABLE|INDEX)|ALTER TABLE)\b"
)


@cache
def _tree(path: Path) -> ast.Module:
    """Parsed when a test first wants it, for each process of a run reads this file, and few of its tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(_tree(path)))


@pytest.fixture(scope="module", autouse=True)
def _forget() -> Iterator[None]:
    """A million objects, which nobody looks at after this module."""
    yield
    _nodes.cache_clear()
    _tree.cache_clear()


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """(dotted module, line) of every import; `from package import module` counts as package.module too."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _own_imports(path: Path) -> Iterator[tuple[list[str], str]]:
    for module, line in _imports(path):
        parts = module.split(".")
        if parts[0] == "delta_server" and parts[1:] != ["__version__"]:
            yield parts[1:], f"{_name(path)}:{line} imports {module}"


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in _nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _texts(node: ast.AST) -> Iterator[str]:
    return (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))


def test_imports_run_one_way() -> None:
    wrong = [
        said
        for path in FILES
        if path != PACKAGE / "__init__.py"
        for target, said in _own_imports(path)
        if ORDER.index(target[0]) > ORDER.index(_name(path).split("/")[0].removesuffix(".py"))
    ]
    assert wrong == []


def test_features_import_only_the_service_of_features_before_them() -> None:
    wrong = []
    for path in FILES:
        home = _name(path).split("/")
        for target, said in _own_imports(path):
            if target[0] != "features" or len(target) < 3 or home[:2] == target[:2]:
                continue
            before = home[0] != "features" or FEATURES.index(target[1]) < FEATURES.index(home[1])
            allowed = target[2] == "service" if home[0] == "features" else target[2] != "store"
            if not before or not allowed:
                wrong.append(said)
    assert wrong == []


KNOW_HTTP = re.compile(r"(.*_)?(api|schemas)|feature")
"""Modules of a feature that may import `http`."""


def test_rules_stores_and_tasks_of_features_know_no_http() -> None:
    below = [p for p in FILES if _name(p).startswith("features/") and not KNOW_HTTP.fullmatch(p.stem)]
    assert [said for path in below for target, said in _own_imports(path) if target[0] == "http"] == []


DOORS_OF_CONTENTS = {"contents", "cold_packs", "maintenance", "verification", "content_store", "options"}


def test_the_store_of_contents_is_used_through_its_doors() -> None:
    """Its rows, its SQL and how frames and packs are read are storage's own."""
    wrong = [
        said
        for path in FILES
        if not _name(path).startswith("storage/")
        for target, said in _own_imports(path)
        if target[:2] == ["storage", "contents"] and target[2] not in DOORS_OF_CONTENTS
    ]
    assert wrong == []


def test_core_is_pure() -> None:
    core = [path for path in FILES if _name(path).startswith("core/")]
    assert [
        f"{_name(p)}:{line} imports {m}" for p in core for m, line in _imports(p) if m.split(".")[0] in IMPURE
    ] == []
    asynchronous = [
        f"{_name(p)}:{f.lineno}" for p in core for f in _functions(p) if isinstance(f, ast.AsyncFunctionDef)
    ]
    assert asynchronous == []


SQL_FILES = {"store.py", "views.py"}


def test_sql_lives_in_stores_and_storage() -> None:
    elsewhere = [path for path in FILES if not _name(path).startswith("storage/") and path.name not in SQL_FILES]
    assert [(_name(path), text) for path in elsewhere for text in _texts(_tree(path)) if SQL.match(text)] == []


def _home(path: Path) -> str:
    """The feature of a file, or its folder in storage, or its module."""
    return "/".join(path.relative_to(PACKAGE).with_suffix("").parts[:2])


def _named_tables(path: Path) -> set[str]:
    """Tables that statements in the file name, by the words before them."""
    words = "|".join(OWNERS)
    listed = re.compile(rf"\b(?:FROM(?: \w+(?: \w+)?,)*|JOIN|INTO|UPDATE)\s+({words})\b")
    return {table for text in _texts(_tree(path)) for table in listed.findall(text)}


OWNERS = {
    **{table: f"features/{feature.name}" for feature in app.FEATURES for table in feature.tables},
    **{table: home for home, tables in TABLES_OF_STORAGE.items() for table in tables.split()},
}


def test_every_table_has_one_owner() -> None:
    migrations = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("storage/sqlite/migrations/*.sql"))
    declared = [table for feature in app.FEATURES for table in feature.tables]
    declared += [table for tables in TABLES_OF_STORAGE.values() for table in tables.split()]
    assert sorted(declared) == sorted(set(re.findall(r"CREATE TABLE (\w+)", migrations)))  # some were made anew


def test_a_table_is_named_by_its_owner_only() -> None:
    excepted = {
        (home, table) for rows in NAMED_BY_OTHERS.values() for home, tables in rows.items() for table in tables.split()
    }
    foreign = {(_home(path), table) for path in FILES for table in _named_tables(path) if _home(path) != OWNERS[table]}
    assert sorted(foreign - excepted) == [], "ask the owner's service instead"
    assert sorted(excepted - foreign) == [], "an exception that is no longer needed"


def test_features_have_the_names_of_their_folders_and_share_nothing() -> None:
    folders = {path.name for path in (PACKAGE / "features").iterdir() if (path / "__init__.py").exists()}
    assert sorted(FEATURES) == sorted(folders)
    for named in ("guards", "queues", "path_parameters", "fields"):
        names = [name for feature in app.FEATURES for name in getattr(feature, named)]
        assert len(names) == len(set(names)), named
    loops = [loop.name for feature in app.FEATURES for loop in feature.loops]
    loops += [kind.loop for feature in app.FEATURES for kind in feature.jobs]
    loops += [periodic.name for feature in app.FEATURES for periodic in feature.periodic]
    assert len(loops) == len(set(loops))


def _last_name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def test_what_one_feature_needs_alone_is_no_member_of_the_services() -> None:
    """`services.state` keeps that. Members are what storage gives, and what two features share."""
    homes: dict[str, set[str]] = {
        name: set() for name in (*Services.__struct_fields__, "cpu_for", "cpu_beside", "owned_by", "delete_elsewhere")
    }
    for path in FILES:
        for node in _nodes(path):
            if isinstance(node, ast.Attribute) and _last_name(node.value) in {"svc", "_svc", "services", "_services"}:
                homes.setdefault(node.attr, set()).add(_home(path))
    homes["processes"] |= homes["cpu_for"]
    homes["large_cpu"] |= homes["cpu_beside"]
    homes["cascades"] |= homes["owned_by"] | homes["delete_elsewhere"]
    members = [name for name in Services.__struct_fields__ if name[0] != "_" and name not in PORTS]
    alone = {name: homes[name] for name in members if len(homes[name]) < 2}
    assert alone == {}


def test_the_ports_of_events_are_narrow_and_speak_values() -> None:
    """No more than six methods each, and no transaction of SQLite's: another store has none."""
    tree = _tree(PACKAGE / "storage" / "eventlog.py")
    ports = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
    ]
    assert [port.name for port in ports] == ["EventWriter", "EventReader", "EventMaintenance"]
    for port in ports:
        methods = [node for node in port.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert 0 < len(methods) <= 6, port.name
        assert [method.name for method in methods if re.search(r"\bTx\b", ast.unparse(method))] == [], port.name


def test_store_functions_name_their_tenant_and_ask_for_it() -> None:
    wrong, free = [], set()
    for path in (path for path in FILES if path.name == "store.py"):
        for function in (node for node in _tree(path).body if isinstance(node, ast.FunctionDef)):
            place = f"{path.parent.name}:{function.name}"
            names = [argument.arg for argument in function.args.args]
            if "tx" not in names or function.name.startswith("_"):
                continue
            if place in _FREE:
                free.add(place)
            elif names[0] != "tx" or len(names) < 2 or names[1] not in TENANTS:
                wrong.append(f"{place}{tuple(names)}: wants (tx, {' or '.join(sorted(TENANTS))}, ...)")
            elif "WHERE" in (sql := " ".join(_texts(function))) and not re.search(
                rf"\b{names[1].removesuffix('s')}\b", sql
            ):
                wrong.append(f"{place}: its WHERE does not mention {names[1]}")
    assert wrong == []
    assert free == _FREE, "an exception that is no longer needed"


IN_A_SERVER = """
import sys
sys.modules["polyfactory"] = None
from delta_server.cli import main
main.cli.get_command(None, "serve")
print(*sys.modules)
from delta_server import app
print(*sys.modules)
from delta_server.config.sections import Config
from delta_server.http import docs
docs.describe(app.build(Config()).litestar)
"""


@pytest.fixture(scope="module")
def started() -> tuple[set[str], set[str]]:
    """The modules that the command `serve` has imported in a new process, and those after all of the server was."""
    done = subprocess.run([sys.executable, "-c", IN_A_SERVER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    return set(first.split()), set(second.split())


def test_one_sqlite_library(started: tuple[set[str], set[str]]) -> None:
    """Two SQLite libraries on one file in one process drop each other's POSIX locks (sqlite.org/howtocorrupt.html)."""
    banned = {"sqlite3", "_sqlite3", "aiosqlite"}
    assert [said for path in FILES for said, _ in _imports(path) if said.split(".")[0] in banned] == []
    assert [name for name in started[1] if "sqlite3" in name] == []


def test_parameters_are_declared_by_our_own_types() -> None:
    """Litestar's have one hash (findings/litestar-parameter-hash.sh)."""
    importers = {_name(path) for path in FILES for said, _ in _imports(path) if said.startswith("litestar.params")}
    assert importers == {"http/parameters.py"}


def test_a_server_does_without_what_few_use(started: tuple[set[str], set[str]]) -> None:
    """Each is imported when it is first needed: together they took a quarter of an idle server's memory."""
    banned = {"duckdb", "fsspec", "h11", "rich", "pygments", "joserfc", "cryptography", "feedparser", "icalendar"}
    banned |= {"jsonschema_rs", "obstore", "aiosmtplib", "brotli", "delta_server.egress.client"}
    assert banned & started[0] == set()
    assert {"pydantic", "attr"} & started[1] == set()


def test_the_environment_is_read_in_config_only() -> None:
    # serve: $NOTIFY_SOCKET, systemd's; child: what PyInstaller tells the processes of an executable; git_history: what
    # git is started with
    allowed = {"config/load.py", "cli/serve.py", "cli/git_history.py", "storage/child.py"}
    readers = [
        f"{_name(path)}:{node.lineno}"
        for path in FILES
        if _name(path) not in allowed
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert readers == []


def test_files_and_functions_are_short_and_named_for_a_thing() -> None:
    assert [_name(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []
    assert [_name(path) for path in FILES if BANNED_NAMES.search(path.stem)] == []
    long = [
        f"{_name(path)}:{function.lineno} {function.name}"
        for path in FILES
        for function in _functions(path)
        if (function.end_lineno or function.lineno) - function.lineno + 1 > 50
    ]
    assert long == []


def test_the_description_of_the_api_needs_no_faker(started: tuple[set[str], set[str]]) -> None:
    """Litestar makes random examples for a ResponseSpec unless told not to; the executable carries no Faker, and the
    server described itself without."""
    assert {"delta_server.app", "delta_server.http.docs"} <= started[1]


def test_migrations_are_numbered_one_after_the_other() -> None:
    assert packaged(), "two of one number are refused"
