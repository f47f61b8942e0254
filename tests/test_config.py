import itertools
import re
import tomllib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server.config.load import BadConfig, Given, load, shown
from delta_server.config.plans import PLAN_ROWS, SHIPPED, Plan
from delta_server.config.sections import Config
from delta_server.config.values import OPTIONS, Option, expected

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
PACKAGE = Path(__file__).parent.parent / "delta_server"


def written(directory: Path, text: str) -> Path:
    path = directory / "delta.toml"
    path.write_text(text, encoding="utf-8")
    return path


BAD_FILES = [
    ("[server]\nport = 'x'", "server.port", "line 2", "a whole number from 0 to 65535"),
    ("[server]\n\nport = 70000", "server.port", "line 3", "a whole number from 0 to 65535"),
    ("[server]\nport = true", "server.port", "line 2", "a whole number"),
    ("[server]\nport = 1.5", "server.port", "line 2", "a whole number"),
    ("[server]\ndocs = 'perhaps'", "server.docs", "line 2", "true or false"),
    ("[server]\nhost = 7", "server.host", "line 2", "a string"),
    ("[server]\ntrusted_proxies = ['10.0.0.0/99']", "server.trusted_proxies", "line 2", "a list of networks"),
    ("# top\nlog.level = 'loud'", "log.level", "line 2", "one of debug, error, info, warning"),
    ("[limits]\ndocument_bytes = '64 apples'", "limits.document_bytes", "line 2", "2mib"),
    ("[limits]\ndocument_bytes = '-1'", "limits.document_bytes", "line 2", "a whole number"),
    ("[storage]\ndata_dir = 3", "storage.data_dir", "line 2", "a path"),
    ("[server]\n# a\nprot = 1", "server.prot", "line 3", "did you mean server.port?"),
    ("[sever]\nport = 1", "sever", "line 1", "unknown option"),
    ("# inline\nserver = {host = '1.2.3.4', prt = 5}", "server.prt", "line 2", "did you mean server.port?"),
    ("[server]\ntrusted_proxies = [\n'::1',\n'10.0.0.x',\n]", "server.trusted_proxies", "line 2", "'10.0.0.x' is no"),
    ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "server.trusted_proxies", "line 2", "write 10.0.0.0/8"),
    ("[server]\nport = true", "server.port", "line 2", "got true"),
    ("[limits]\nrequest_bytes = 4096", "limits.document_bytes", "line 2", "more than limits.request_bytes"),
    ("port = 1", "port", "line 1", "unknown option"),
    ("[auth.trusted_header]\nheadr = 'X'", "auth.trusted_header.headr", "line 2", "auth.trusted_header.header?"),
    ("[auth.trusted_headr]\nheader = 'X'", "auth.trusted_headr", "line 1", "unknown option"),
    ("[auth]\ntrusted_header = 'X'", "auth.trusted_header", "line 2", "unknown option"),
    ("[auth.trusted_header]\nheader = 'a b'", "auth.trusted_header.header", "line 2", "letters, digits and -"),
    ("[auth.trusted_header]\nheader = 'Remote-Email'", "auth.trusted_header.header", "line 2", "trusted_proxies"),
    (
        "[server]\ntrusted_proxies = ['::1']\n[auth]\nregistration = 'open'\ntrusted_header.header = 'Remote-Email'",
        *("auth.trusted_header.header", "line 5", "anybody could register"),
    ),
    ("[auth.oidc]\nissuer = 'https://idp.example'", "auth.oidc.client_id", "default", "what the provider calls"),
    ("[auth.oidc]\nscopes = 7", "auth.oidc.scopes", "line 2", "a list of strings"),
    ("[auth.oidc]\nclient_secret = 7", "auth.oidc.client_secret", "line 2", "got something else"),
    *(
        (
            f"[server]\npublic_url = 'https://d.example'\n[auth.oidc]\nclient_id = 'x'\nissuer = '{issuer}'",
            *("auth.oidc.issuer", "line 5", "https address"),
        )
        for issuer in (
            "idp.example",
            "http://idp.example",
            "https://u@idp.example",
            "https://idp.example?x",
            "file:///x",
        )
    ),
    (
        "[auth.oidc]\nclient_id = 'x'\nissuer = 'https://idp.example'",
        *("server.public_url", "default", "address that people's browsers use"),
    ),
    (
        "[server]\npublic_url = 'https://d.example'\n[auth.oidc]\nclient_id = 'x'\nissuer = 'https://idp.example'\n"
        "scopes = ['email']",
        *("auth.oidc.scopes", "line 6", "expected openid"),
    ),
    ("[plans.free]\nendpoints = -1", "plans.free.endpoints", "line 2", '"unlimited" or a whole number from 0'),
    ("[plans.free]\nendpoints = true", "plans.free.endpoints", "line 2", "got true"),
    ("[plans.free]\nendpoints = 'ten'", "plans.free.endpoints", "line 2", "got 'ten'"),
    ("[plans.free]\nendpoints = 1.5", "plans.free.endpoints", "line 2", "got 1.5"),
    ("[plans.free]\nstorage_bytes = '1 apple'", "plans.free.storage_bytes", "line 2", "2mib"),
    ("[plans.free]\nendpiont = 1", "plans.free.endpiont", "line 2", "unknown option"),
    ("[plans.NoName]\nendpoints = 1", "plans.NoName.endpoints", "line 2", "unknown option"),
    ("[plans]\nfree = 3", "plans.free", "line 2", "unknown option"),
    ("[plans]\ndefault = 'gold'", "plans.default", "line 2", "expected one of free, pro, enterprise, got 'gold'"),
]


@pytest.mark.parametrize(("text", "name", "line", "told"), BAD_FILES)
def test_a_wrong_option_is_named_with_its_line_and_what_was_expected(
    tmp_path: Path, text: str, name: str, line: str, told: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        load(file=written(tmp_path, text), environ={})
    message = caught.value.message
    assert message.startswith(f"{name} (")
    assert ("(default)" if line == "default" else f"delta.toml {line}") in message
    assert told in message


@pytest.mark.parametrize("address", ["s3://KEY:sesame@bucket/a", "s3://KEY:ses/ame@bucket", "x://me:sesame@host"])
@pytest.mark.parametrize("option", ["storage.blobs", "storage.cold", "backups.directory"])
def test_an_address_has_no_password(option: str, address: str) -> None:
    with pytest.raises(BadConfig) as raised:
        load(environ={f"DELTA_{option.replace('.', '_').upper()}": address})
    assert f"{option}: has a password" in str(raised.value)
    assert "ses" not in str(raised.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 'x'\nhots = 'y'\n")
    with pytest.raises(BadConfig) as caught:
        load(file=path, environ={"DELTA_LOG_LEVEL": "loud", "DELTA_SERVER_HORST": "z"})
    lines = caught.value.message.splitlines()
    assert [line.split(" ")[0].rstrip(":") for line in lines] == [
        "server.hots",
        "DELTA_SERVER_HORST",
        "server.port",
        "log.level",
    ]


@pytest.mark.parametrize(("text", "told"), [("[server\n", "TOML"), ("\xff", "TOML")])
def test_a_broken_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "delta.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadConfig, match=told):
        load(file=path, environ={})


def test_a_missing_file_is_told_when_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.toml: cannot be read"):
        load(file=tmp_path / "nowhere.toml", environ={})


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nhost = 'file'\nport = 1\n[log]\nlevel = 'debug'\n[packs]\npack_level = 3\n")
    loaded = load(
        file=path,
        environ={"DELTA_SERVER_HOST": "env", "DELTA_SERVER_PORT": "2", "DELTA_LOG_LEVEL": "error"},
        flags={"server.port": Given(3, "--port")},
    )
    config = loaded.config
    assert (config.server.port, config.server.host, config.log.level) == (3, "env", "error")
    assert (config.packs.pack_level, config.packs.frame_level) == (3, Config().packs.frame_level)
    assert loaded.sources["server.port"] == "--port"
    assert loaded.sources["server.host"] == "DELTA_SERVER_HOST"
    assert loaded.sources["packs.pack_level"] == f"{path} line 7"
    assert loaded.sources["packs.frame_level"] == "default"


VALUES: list[tuple[str, str, Any]] = [
    ("DELTA_LIMITS_DOCUMENT_BYTES", "64MB", 64_000_000),
    ("DELTA_LIMITS_DOCUMENT_BYTES", "64 MiB", 64 << 20),
    ("DELTA_LIMITS_DOCUMENT_BYTES", "4096", 4096),
    ("DELTA_LIMITS_REQUEST_SECONDS", "5m", 300),
    ("DELTA_PACKS_DEEP_AFTER_DAYS", "2w", 14),
    ("DELTA_SERVER_DOCS", "off", False),
    ("DELTA_RATE_LIMITS_AUTH_PER_MINUTE", "20", 20),
    ("DELTA_RATE_LIMITS_AUTH_PER_MINUTE", "0", 0),
    ("DELTA_RATE_LIMITS_AUTH_PER_MINUTE", "Off", 0),
    ("DELTA_LOG_LEVEL", "DEBUG", "debug"),
    ("DELTA_LOG_FORMAT", "Json", "json"),
    ("DELTA_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
    ("DELTA_SERVER_TRUSTED_PROXIES", "", ()),
    ("DELTA_DATA_DIR", "/var/lib/delta", Path("/var/lib/delta")),
    ("DELTA_AUTH_TRUSTED_HEADER_AUTO_CREATE", "yes", True),
]


@pytest.mark.parametrize(("variable", "text", "value"), VALUES)
def test_values_are_read_from_text(variable: str, text: str, value: Any) -> None:
    loaded = load(environ={variable: text})
    name = next(name for name, source in loaded.sources.items() if source == variable)
    assert attrgetter(name)(loaded.config) == value


def test_a_value_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8123\n")
    assert load(environ={"DELTA_SERVER_PORT_FILE": str(tmp_path / "port")}).config.server.port == 8123
    with pytest.raises(BadConfig, match="DELTA_SERVER_PORT_FILE: cannot read"):
        load(environ={"DELTA_SERVER_PORT_FILE": str(tmp_path / "absent")})


def test_a_value_and_a_file_for_it_are_ambiguous(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8123\n")
    with pytest.raises(BadConfig, match="DELTA_SERVER_PORT and DELTA_SERVER_PORT_FILE are both set"):
        load(environ={"DELTA_SERVER_PORT": "1", "DELTA_SERVER_PORT_FILE": str(tmp_path / "port")})


KUBERNETES = {
    "DELTA_PORT": "tcp://10.96.0.7:8080",
    "DELTA_PORT_8080_TCP": "tcp://10.96.0.7:8080",
    "DELTA_PORT_8080_TCP_PROTO": "tcp",
    "DELTA_PORT_8080_TCP_PORT": "8080",
    "DELTA_PORT_8080_TCP_ADDR": "10.96.0.7",
    "DELTA_SERVICE_HOST": "10.96.0.7",
    "DELTA_SERVICE_PORT": "8080",
    "DELTA_SERVICE_PORT_HTTP": "8080",
}


def test_what_kubernetes_sets_for_a_service_named_delta_is_left_alone() -> None:
    assert load(environ=KUBERNETES).config == Config()
    for value in ("9000", "", "9000/tcp", "://"):
        with pytest.raises(BadConfig, match=r"DELTA_PORT: unknown option .*did you mean DELTA_SERVER_PORT"):
            load(environ={"DELTA_PORT": value})
    with pytest.raises(BadConfig, match="DELTA_PROT"):
        load(environ={"DELTA_PROT": "1"})


def test_the_full_name_of_the_data_directory_wins_over_its_short_one() -> None:
    loaded = load(environ={"DELTA_DATA_DIR": "short", "DELTA_STORAGE_DATA_DIR": "full"})
    assert loaded.config.storage.data_dir == Path("full")


def test_a_file_may_be_named_in_the_environment_or_lie_where_delta_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[server]\nport = 1\n")
    assert load(environ={"DELTA_CONFIG": str(path)}).config.server.port == 1
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).config.server.port == 1
    assert load(environ={"DELTA_CONFIG": ""}).config.server.port == 1


def test_other_variables_are_left_alone() -> None:
    assert load(environ={"DELTA_HISTORIES": "/x", "PATH": "/bin"}).config == Config()


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    host = OPTIONS["server.host"]
    monkeypatch.setitem(OPTIONS, "server.host", Option(host.name, host.type, host.default, secret=True))
    loaded = load(environ={"DELTA_SERVER_HOST": "hunter2"})
    assert ("server.host", '"***"', "DELTA_SERVER_HOST") in shown(loaded)
    assert "hunter2" not in repr(shown(loaded))


def names_of(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from names_of(value, f"{prefix}{name}.") if name not in SHIPPED else ()
        else:
            yield f"{prefix}{name}"


def test_the_example_has_every_option_with_its_default_and_a_sentence() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    assert set(names_of(tree)) == set(OPTIONS)
    assert {name: tuple(rows) for name, rows in tree["plans"].items() if name in SHIPPED} == dict.fromkeys(
        SHIPPED, PLAN_ROWS
    )
    assert load(file=EXAMPLE, environ={}).config == Config()
    lines = text.splitlines()
    bare = [line for before, line in itertools.pairwise(lines) if " = " in line and not before.startswith("# ")]
    assert [line for line in bare if not line.startswith("#")] == []


def test_every_option_says_what_it_expects() -> None:
    assert [name for name, option in OPTIONS.items() if not expected(option)] == []


def test_what_is_shown_can_be_loaded_again(tmp_path: Path) -> None:
    lines = [f"{name} = {value}" for name, value, _ in shown(load(environ={}))]
    assert load(file=written(tmp_path, "\n".join(lines)), environ={}).config == Config()


def test_every_option_is_used() -> None:
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.parent.name != "config"]
    used = {name for source in sources for name in re.findall(r"\.(\w+)", source)}
    assert [name for name in OPTIONS if name.rpartition(".")[2] not in used] == []


def test_a_plan_keeps_the_rows_that_are_not_given_and_one_of_another_name_has_no_others(tmp_path: Path) -> None:
    text = "[plans]\ndefault = 'gold'\n[plans.free]\nstorage_bytes = '2GB'\n[plans.gold]\nendpoints = 7\n"
    text += "polls = 'Unlimited'\n"
    plans = load(file=written(tmp_path, text), environ={}).config.plans
    assert plans.named("free") == msgspec.structs.replace(SHIPPED["free"], storage_bytes=2_000_000_000)
    assert plans.named("gold") == Plan(endpoints=7) == plans.named("one that was there before")
    assert plans.named("pro") == SHIPPED["pro"]
    inline = written(tmp_path, "plans = {gold = {endpoints = 7}}\nplans.default = 'gold'")
    assert load(environ={"DELTA_PLANS_DEFAULT": "pro"}).config.plans.default == "pro"
    with pytest.raises(BadConfig):
        load(file=inline, environ={})


SMTP = {
    "DELTA_SERVER_PUBLIC_URL": "https://delta.example.com",
    "DELTA_SMTP_HOST": "mail.example.com",
    "DELTA_SMTP_FROM_ADDRESS": "delta@example.com",
}
BAD_MAIL = [
    ({"DELTA_SERVER_PUBLIC_URL": ""}, "server.public_url", "links in mails begin with it"),
    ({"DELTA_SMTP_FROM_ADDRESS": ""}, "smtp.from_address", "delta@example.com"),
    ({"DELTA_SMTP_FROM_ADDRESS": "delta@example.com\nBcc: eve@b.example"}, "smtp.from_address", "delta@example.com"),
    ({"DELTA_SMTP_USERNAME": "delta"}, "smtp.username", "smtp.password"),
    ({"DELTA_SMTP_PASSWORD": "secret-word"}, "smtp.username", "smtp.password"),
    ({"DELTA_SMTP_TLS": "perhaps"}, "smtp.tls", "one of none, starttls, tls"),
    (
        {"DELTA_SMTP_TLS": "none", "DELTA_SMTP_USERNAME": "delta", "DELTA_SMTP_PASSWORD": "secret-word"},
        "smtp.tls",
        "for all to read",
    ),
]


@pytest.mark.parametrize(("environ", "name", "says"), BAD_MAIL)
def test_options_of_mail_fit_together(environ: dict[str, str], name: str, says: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(environ=SMTP | environ)
    assert caught.value.message.startswith(name)
    assert says in caught.value.message
    assert "secret-word" not in caught.value.message


def test_the_password_of_the_mail_server_may_stand_in_a_file(tmp_path: Path) -> None:
    found = load(environ=SMTP | {"DELTA_SMTP_USERNAME": "delta", "DELTA_SMTP_PASSWORD_FILE": "/run/secrets/mail"})
    assert found.config.smtp.password_file == "/run/secrets/mail"
    found = load(environ=SMTP | {"DELTA_SMTP_USERNAME": "delta", "DELTA_SMTP_PASSWORD": "secret-word"})
    assert ("smtp.password", '"***"', "DELTA_SMTP_PASSWORD") in shown(found)
