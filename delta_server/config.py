"""Every option of the server, and where its value comes from.

Precedence: flags > `DELTA_*` environment > TOML file > defaults. The option `section.name` is `DELTA_SECTION_NAME` in
the environment; `DELTA_SECTION_NAME_FILE` names a file that holds the value (a Docker secret). The structs are the only
list of options: the loader, `config show` and the checks against config.example.toml walk their fields.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.inspect import BoolType, IntType, LiteralType, VarTupleType, type_info

from delta_server.core.errors import DeltaError

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

Port = Annotated[int, Meta(ge=0, le=65_535)]
Size = Annotated[int, Meta(ge=KIB, le=TIB)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Days = Annotated[int, Meta(ge=0, le=36_500)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Level = Annotated[int, Meta(ge=1, le=19)]


class Server(msgspec.Struct, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    trusted_proxies: tuple[str, ...] = ()
    docs: bool = True
    metrics_public: bool = False
    shutdown_seconds: Seconds = 10


class Limits(msgspec.Struct, frozen=True):
    document_bytes: Size = 64 * MIB
    request_bytes: Size = 72 * MIB
    inflight_bytes: Size = 256 * MIB
    answer_bytes: Size = 256 * MIB
    connections: Count = 4096
    streams: Count = 100
    request_seconds: Seconds = 60
    answer_seconds: Seconds = 30


class Storage(msgspec.Struct, frozen=True):
    data_dir: Path = Path("delta-data")
    cache_bytes: Size = 64 * MIB
    readers: Annotated[int, Meta(ge=1, le=64)] = 4
    read_seconds: Seconds = 30
    checkpoint_seconds: Seconds = 60
    wal_bytes: Size = 256 * MIB


class Packs(msgspec.Struct, frozen=True):
    frame_level: Level = 7
    pack_level: Level = 11
    pack_bytes: Size = 12 * MIB
    pack_contents: Count = 512
    deep_bytes: Size = 24 * MIB
    deep_contents: Count = 2048
    deep_after_days: Days = 7


class Events(msgspec.Struct, frozen=True):
    event_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 32 * KIB
    request_bytes: Size = 4 * MIB
    dedup_days: Annotated[int, Meta(ge=1, le=365)] = 7
    seal_events: Count = 131_072
    seal_seconds: Seconds = 3600
    segment_events: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_048_576
    retention_days: Days = 0
    rollup_1m_days: Days = 7
    rollup_5m_days: Days = 30
    rollup_15m_days: Days = 730
    rollup_1h_days: Days = 730
    rollup_1d_days: Days = 0
    query_seconds: Seconds = 30
    query_memory_bytes: Size = 512 * MIB
    query_threads: Annotated[int, Meta(ge=0, le=256)] = 0


class Log(msgspec.Struct, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Config(msgspec.Struct, frozen=True):
    server: Server = Server()
    limits: Limits = Limits()
    storage: Storage = Storage()
    packs: Packs = Packs()
    events: Events = Events()
    log: Log = Log()


class Option(msgspec.Struct, frozen=True):
    """One field of one section. `secret` values are never printed."""

    name: str
    type: Any
    default: Any
    secret: bool

    @property
    def environment(self) -> str:
        return "DELTA_" + self.name.replace(".", "_").upper()


class Given(msgspec.Struct, frozen=True):
    """A value somebody gave for an option, and where: `delta.toml line 3`, `DELTA_SERVER_PORT`, `--port`."""

    value: Any
    source: str


class Loaded(msgspec.Struct, frozen=True):
    config: Config
    sources: dict[str, str]
    """By option name: where its value came from, `default` for the rest."""


class BadConfig(DeltaError):
    """The configuration cannot be used; the message lists every wrong option, one a line."""


class _Because(ValueError):
    """A value that is not allowed, with the reason for people."""


def _options() -> Iterator[Option]:
    for section in msgspec.structs.fields(Config):
        for field in msgspec.structs.fields(section.type):
            # msgspec keeps `extra` of Annotated[..., Meta(extra={"secret": True})] in the type's metadata.
            extra = [meta.extra or {} for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, Meta)]
            secret = any(part.get("secret") for part in extra)
            yield Option(f"{section.name}.{field.name}", field.type, field.default, secret)


OPTIONS = {option.name: option for option in _options()}

_SHORT = {"DELTA_DATA_DIR": "storage.data_dir"}
_NOT_OPTIONS = frozenset({"DELTA_CONFIG", "DELTA_HISTORIES"})
"""Names the program reads elsewhere: the file to load, and where tests and benches find recorded histories."""
_OF_KUBERNETES = re.compile(r"DELTA_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?|PORT(?==[a-z]+://))=")
"""What Kubernetes and Docker links set in every container beside a service named `delta`: not meant for Delta."""

_UNITS = {
    "_bytes": {"": 1, "b": 1, "mb": 10**6, "mib": MIB, "kb": 10**3, "kib": KIB, "gb": 10**9, "gib": GIB},
    "_seconds": {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400},
    "_days": {"": 1, "d": 1, "w": 7},
}
_AMOUNT = re.compile(r"(\d{1,15}) ?([A-Za-z]*)")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def load(
    *, file: Path | None = None, flags: Mapping[str, Given] | None = None, environ: Mapping[str, str] | None = None
) -> Loaded:
    """The effective configuration. `flags` are by option name; `file` None means DELTA_CONFIG, else ./delta.toml if
    it is there. Raises BadConfig with every problem found."""
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    given = _from_file(_find_file(file, environ), problems)
    given |= _from_environment(environ, problems)
    given |= flags or {}
    config = _build(given, problems)
    if problems:
        raise BadConfig("\n".join(problems))
    return Loaded(config, {name: given[name].source if name in given else "default" for name in OPTIONS})


def shown(loaded: Loaded) -> list[tuple[str, str, str]]:
    """(option, value as TOML, source) of every option, secrets masked."""
    rows = []
    for option in OPTIONS.values():
        section, name = option.name.split(".")
        value = getattr(getattr(loaded.config, section), name)
        text = '"***"' if option.secret and value else _toml(value)
        rows.append((option.name, text, loaded.sources[option.name]))
    return rows


def _build(given: Mapping[str, Given], problems: list[str]) -> Config:
    sections: dict[str, dict[str, Any]] = {field.name: {} for field in msgspec.structs.fields(Config)}
    for name, (value, source) in ((name, (item.value, item.source)) for name, item in given.items()):
        option = OPTIONS[name]
        section, field = name.split(".")
        try:
            sections[section][field] = _convert(option, value)
        except (msgspec.ValidationError, ValueError) as error:
            got = "something else" if option.secret else _got(value)
            why = f": {error}" if isinstance(error, _Because) else ""
            problems.append(f"{name} ({source}): expected {expected(option)}, got {got}{why}")
    built = {field.name: field.type(**sections[field.name]) for field in msgspec.structs.fields(Config)}
    config = Config(**built)
    if config.limits.document_bytes > config.limits.request_bytes:
        sizes = [
            f"limits.{name} ({_source(given, f'limits.{name}')}) = {getattr(config.limits, name)}"
            for name in ("document_bytes", "request_bytes")
        ]
        problems.append(" is more than ".join(sizes) + ": no request could bring such a document")
    return config


def _source(given: Mapping[str, Given], name: str) -> str:
    return given[name].source if name in given else "default"


def _got(value: Any) -> str:
    """As it was written: repr for texts, so that odd characters show, and TOML's words for the rest."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_got, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _convert(option: Option, value: Any) -> Any:
    """A TOML value or a text as the option's type. Raises ValidationError or ValueError."""
    if isinstance(value, str):
        value = _from_text(option, value)
    if option.type is Path:
        if not isinstance(value, str) or not value:
            raise ValueError
        return Path(value).expanduser()
    converted = msgspec.convert(value, option.type)
    if option.name == "server.trusted_proxies":
        _check_networks(converted)
    return converted


def _from_text(option: Option, text: str) -> Any:
    kind = type_info(option.type)
    if isinstance(kind, IntType):
        return _amount(option.name, text)
    if isinstance(kind, BoolType):
        word = text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else text
    if isinstance(kind, VarTupleType):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(kind, LiteralType):
        return text.strip().lower()
    return text


def _amount(name: str, text: str) -> int:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError
    factor = _units(name).get(match[2].lower())
    if factor is None:
        raise ValueError
    return int(match[1]) * factor


def _units(name: str) -> dict[str, int]:
    return next((units for suffix, units in _UNITS.items() if name.endswith(suffix)), {"": 1})


def _check_networks(networks: tuple[str, ...]) -> None:
    from ipaddress import ip_network

    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise _Because(_network_trouble(network, str(error))) from None


def _network_trouble(network: str, reason: str) -> str:
    from ipaddress import ip_network

    if "host bits" not in reason:
        return f"{network!r} is not a valid network (CIDR, such as 10.0.0.0/8)"
    return f"{network!r} is an address in a network (host bits are set): write {ip_network(network, strict=False)}"


def expected(option: Option) -> str:
    """What a value of the option looks like, in words."""
    kind = type_info(option.type)
    if isinstance(kind, IntType):
        units = " or ".join(f'"2{unit}"' for unit in list(_units(option.name))[2:4])
        range_ = f"a whole number from {kind.ge} to {kind.le}"
        return f"{range_} (or a string such as {units})" if units else range_
    if isinstance(kind, BoolType):
        return "true or false"
    if isinstance(kind, LiteralType):
        return "one of " + ", ".join(sorted(map(str, kind.values)))
    if isinstance(kind, VarTupleType):
        return "a list of networks such as 10.0.0.0/8"
    return "a path" if option.type is Path else "a string"


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Given]:
    names = {option.environment: name for name, option in OPTIONS.items()} | _SHORT
    given: dict[str, Given] = {}
    # Backwards: DELTA_STORAGE_DATA_DIR comes before its short form, and the first is kept.
    for variable in sorted((v for v in environ if v.startswith("DELTA_")), reverse=True):
        if variable in _NOT_OPTIONS or _OF_KUBERNETES.match(f"{variable}={environ[variable]}"):
            continue
        name = names.get(variable) or names.get(variable.removesuffix("_FILE"))
        if name is None:
            problems.append(f"{variable}: unknown option in the environment{_closest(variable, names)}")
            continue
        if variable in names and f"{variable}_FILE" in environ:
            problems.append(f"{variable} and {variable}_FILE are both set: remove one of them")
        value = environ[variable] if variable in names else _read_value(Path(environ[variable]), variable, problems)
        if value is not None:
            given.setdefault(name, Given(value, variable))
    return given


def _read_value(path: Path, variable: str, problems: list[str]) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{variable}: cannot read {path}: {_reason(error)}")
        return None


def _find_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    if environ.get("DELTA_CONFIG"):
        return Path(environ["DELTA_CONFIG"])
    here = Path("delta.toml")
    return here if here.exists() else None


def _from_file(path: Path | None, problems: list[str]) -> dict[str, Given]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: cannot be read as TOML: {_reason(error)}")
        return {}
    lines, given = _lines(text), dict[str, Given]()
    for name, value in _flatten(tree):
        line = lines.get(name) or lines.get(name.split(".")[0])  # server = {port = 1}: the line of `server`
        source = f"{path} line {line}" if line else str(path)
        if name in OPTIONS:
            given[name] = Given(value, source)
        else:
            problems.append(f"{name} ({source}): unknown option{_closest(name, OPTIONS)}")
    return given


def _flatten(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    sections = {field.name for field in msgspec.structs.fields(Config)}
    for section, values in tree.items():
        if section not in sections or not isinstance(values, dict):
            yield section, values
        else:
            yield from ((f"{section}.{name}", value) for name, value in values.items())


_LINE = re.compile(r"""\s*(?:\[\s*["']?(?P<section>[\w-]+)["']?\s*\]|(?P<key>[\w"'. -]+?)\s*=)""")


def _lines(text: str) -> dict[str, int]:
    """The line of each `section.name` and `[section]`. tomllib tells no places; options are one a line."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        if match is None:
            continue
        if match["section"]:
            section = match["section"] + "."
            lines.setdefault(match["section"], number)
            continue
        lines.setdefault(section + re.sub(r"[\"' ]", "", match["key"]), number)
    return lines


def _closest(name: str, known: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else "; config.example.toml lists them all"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _toml(value: Any) -> str:
    if isinstance(value, int):
        return str(value).lower()  # of a bool, too
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return msgspec.json.encode(str(value)).decode()
