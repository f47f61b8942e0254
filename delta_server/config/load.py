"""Where the values of options come from.

Precedence: flags > `DELTA_*` environment > TOML file > defaults. The option `section.name` is `DELTA_SECTION_NAME` in
the environment; `DELTA_SECTION_NAME_FILE` names a file that holds the value (a Docker secret). The structs are the only
list of options: the loader, `config show` and the checks against config.example.toml walk their fields.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from delta_server.config import log_checks, mail_checks, plans, sign_in, storage_checks
from delta_server.config.sections import Config
from delta_server.config.values import (
    OPTIONS,
    SECTIONS,
    Because,
    as_toml,
    convert,
    expected,
    expected_plan_row,
    got,
    is_section,
    plan_row,
    plan_row_as_toml,
)
from delta_server.core.errors import DeltaError


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


_SHORT = {"DELTA_DATA_DIR": "storage.data_dir"}
_NOT_OPTIONS = frozenset({"DELTA_CONFIG", "DELTA_HISTORIES"})
"""Names the program reads elsewhere: the file to load, and where tests and benches find recorded histories."""
_OF_KUBERNETES = re.compile(r"DELTA_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?|PORT(?==[a-z]+://))=")
"""What Kubernetes and Docker links set in every container beside a service named `delta`: not meant for Delta."""


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
    names = [*OPTIONS, *(name for name, _ in plans.rows_of(config.plans))]
    return Loaded(config, {name: _source(given, name) for name in names})


def shown(loaded: Loaded) -> list[tuple[str, str, str]]:
    """(option, value as TOML, source) of every option, secrets masked."""
    return [(name, text, loaded.sources[name]) for name, text, _ in values(loaded.config)]


def values(config: Config) -> Iterator[tuple[str, str, bool]]:
    """(option, value as TOML, whether it is secret) of every option; of secrets only whether they are set."""
    for option in OPTIONS.values():
        value = attrgetter(option.name)(config)
        yield option.name, '"***"' if option.secret and value else as_toml(value), option.secret
    for name, limit in plans.rows_of(config.plans):
        yield name, plan_row_as_toml(limit), False


def _build(given: Mapping[str, Given], problems: list[str]) -> Config:
    values: dict[str, Any] = {}
    for name, (value, source) in ((name, (item.value, item.source)) for name, item in given.items()):
        if name not in OPTIONS:
            continue  # a row of a plan
        option = OPTIONS[name]
        try:
            values[name] = convert(option, value)
        except (msgspec.ValidationError, ValueError) as error:
            what = "something else" if option.secret else got(value)
            why = f": {error}" if isinstance(error, Because) else ""
            problems.append(f"{name} ({source}): expected {expected(option)}, got {what}{why}")
    values["plans.tables"] = plans.with_rows(_plan_rows(given, problems))
    config: Config = _section(Config, values)
    contradictions = sign_in.problems(
        config.auth.trusted_header,
        config.auth.oidc,
        registration=config.auth.registration,
        mails=bool(config.smtp.host),
        trusted_proxies=config.server.trusted_proxies,
        public_url=config.server.public_url,
    )
    problems += (f"{name} ({_source(given, name)}): {what}" for name, what in contradictions)
    if config.plans.default not in config.plans.tables:
        problems.append(
            f"plans.default ({_source(given, 'plans.default')}): expected one of {', '.join(config.plans.tables)},"
            f" got {got(config.plans.default)}"
        )
    if config.limits.document_bytes > config.limits.request_bytes:
        sizes = [
            f"limits.{name} ({_source(given, f'limits.{name}')}) = {getattr(config.limits, name)}"
            for name in ("document_bytes", "request_bytes")
        ]
        problems.append(" is more than ".join(sizes) + ": no request could bring such a document")
    if bool(config.server.tls_cert) != bool(config.server.tls_key):
        name = "server.tls_key" if config.server.tls_key else "server.tls_cert"
        problems.append(
            f"{name} ({_source(given, name)}): expected both server.tls_cert and server.tls_key, or neither"
        )
    problems += mail_checks.problems(config)
    problems += storage_checks.problems(config)
    problems += log_checks.problems(config)
    return config


def _section(kind: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """A section with the sections in it; `values` are by the full names of options."""
    found = {}
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name}"
        if is_section(field.type):
            found[field.name] = _section(field.type, values, f"{name}.")
        elif name in values:
            found[field.name] = values[name]
    return kind(**found)


def _plan_rows(given: Mapping[str, Given], problems: list[str]) -> dict[str, int | None]:
    rows: dict[str, int | None] = {}
    for name, item in given.items():
        if name in OPTIONS:
            continue
        try:
            rows[name] = plan_row(name, item.value)
        except ValueError:
            problems.append(f"{name} ({item.source}): expected {expected_plan_row(name)}, got {got(item.value)}")
    return rows


def _source(given: Mapping[str, Given], name: str) -> str:
    return given[name].source if name in given else "default"


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
        # server = {port = 1}: the line of `server`
        line = lines.get(name) or lines.get(name.rpartition(".")[0]) or lines.get(name.split(".")[0])
        source = f"{path} line {line}" if line else str(path)
        if name in OPTIONS or plans.is_option(name):
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
            yield from _flatten_section(section, values)


def _flatten_section(section: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if section == "plans" and isinstance(value, dict) and name != "default":
            yield from ((f"plans.{name}.{row}", limit) for row, limit in value.items())
        elif isinstance(value, dict) and f"{section}.{name}" in SECTIONS:
            yield from _flatten_section(f"{section}.{name}", value)
        else:
            yield f"{section}.{name}", value


_LINE = re.compile(r"""\s*(?:\[\s*["']?(?P<section>[\w.-]+)["']?\s*\]|(?P<key>[\w"'. -]+?)\s*=)""")


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
    """The first that has all words of the name, as DELTA_SERVER_PORT has those of DELTA_PORT, or the most similar."""
    from difflib import get_close_matches

    words = set(name.split("_"))
    found = [one for one in known if len(words) > 1 and words <= set(one.split("_"))]
    found = found or get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else "; config.example.toml lists them all"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
