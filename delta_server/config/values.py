"""The values of options: from what was written to their types, and what is said of those that do not fit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Meta
from msgspec.inspect import BoolType, IntType, LiteralType, VarTupleType, type_info

from delta_server.config import plans
from delta_server.config.sections import Config
from delta_server.core.option_types import GIB, KIB, MIB, HeaderName


class Option(msgspec.Struct, frozen=True):
    """One field of one section. `secret` values are never printed."""

    name: str
    type: Any
    default: Any
    secret: bool

    @property
    def environment(self) -> str:
        return "DELTA_" + self.name.replace(".", "_").upper()


class Because(ValueError):
    """A value that is not allowed, with the reason for people."""


def is_section(kind: Any) -> bool:
    """Whether a field's type is a section, which may stand in another one."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _options(section: type[msgspec.Struct], prefix: str = "") -> Iterator[Option]:
    for field in msgspec.structs.fields(section):
        if is_section(field.type):
            yield from _options(field.type, f"{prefix}{field.name}.")
            continue
        if field.type == plans.Plans.__annotations__["tables"]:
            continue  # each of their rows is an option: plan_row
        # msgspec keeps `extra` of Annotated[..., Meta(extra={"secret": True})] in the type's metadata.
        extra = [meta.extra or {} for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, Meta)]
        secret = any(part.get("secret") for part in extra)
        yield Option(f"{prefix}{field.name}", field.type, field.default, secret)


OPTIONS = {option.name: option for option in _options(Config)}
SECTIONS = frozenset(name.rpartition(".")[0] for name in OPTIONS)

_UNITS = {
    "_bytes": {"": 1, "b": 1, "mb": 10**6, "mib": MIB, "kb": 10**3, "kib": KIB, "gb": 10**9, "gib": GIB},
    "_seconds": {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400},
    "_days": {"": 1, "d": 1, "w": 7},
}
_NETWORKS = frozenset({"server.trusted_proxies", "egress.allow_cidrs"})
_RATE = "_per_minute"
_UNLIMITED = "unlimited"
"""Of a row of a plan."""
_AMOUNT = re.compile(r"(\d{1,15}) ?([A-Za-z]*)")
_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def convert(option: Option, value: Any) -> Any:
    """A TOML value or a text as the option's type. Raises ValidationError or ValueError."""
    if isinstance(value, str):
        value = _from_text(option, value)
    if option.type is Path:
        if not isinstance(value, str) or not value:
            raise ValueError
        return Path(value).expanduser()
    converted = msgspec.convert(value, option.type)
    if option.name in _NETWORKS:
        _check_networks(converted)
    if option.name == "server.public_url" and converted and not _PUBLIC_URL.fullmatch(converted):
        raise Because("write the whole address without a query, such as https://delta.example.com")
    return converted


def plan_row(name: str, value: Any) -> int | None:
    """A TOML value of `plans.NAME.ROW`. Raises ValueError."""
    if isinstance(value, str):
        if value.strip().lower() == _UNLIMITED:
            return None
        value = _amount(name, value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= plans.MOST:
        raise ValueError
    return value


def expected_plan_row(name: str) -> str:
    units = " or ".join(f'"2{unit}"' for unit in list(_units(name))[2:4])
    return f'"{_UNLIMITED}" or a whole number from 0 to {plans.MOST}' + (
        f" (or a string such as {units})" if units else ""
    )


def plan_row_as_toml(value: int | None) -> str:
    return as_toml(_UNLIMITED if value is None else value)


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
    if name.endswith(_RATE) and text.strip().lower() in _FALSE:
        return 0
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
            raise Because(_network_trouble(network, str(error))) from None


def _network_trouble(network: str, reason: str) -> str:
    from ipaddress import ip_network

    if "host bits" not in reason:
        return f"{network!r} is not a valid network (CIDR, such as 10.0.0.0/8)"
    return f"{network!r} is an address in a network (host bits are set): write {ip_network(network, strict=False)}"


def expected(option: Option) -> str:
    """What a value of the option looks like, in words."""
    kind = type_info(option.type)
    if isinstance(kind, IntType):
        if option.name.endswith(_RATE):
            return f'a whole number from 1 to {kind.le}, or 0 or "off"'
        units = " or ".join(f'"2{unit}"' for unit in list(_units(option.name))[2:4])
        range_ = f"a whole number from {kind.ge} to {kind.le}"
        return f"{range_} (or a string such as {units})" if units else range_
    if isinstance(kind, BoolType):
        return "true or false"
    if isinstance(kind, LiteralType):
        return "one of " + ", ".join(sorted(map(str, kind.values)))
    if isinstance(kind, VarTupleType):
        return "a list of networks such as 10.0.0.0/8" if option.name in _NETWORKS else "a list of strings"
    if option.type is HeaderName:
        return "the name of a header: letters, digits and -"
    return "a path" if option.type is Path else "a string"


def got(value: Any) -> str:
    """As it was written: repr for texts, so that odd characters show, and TOML's words for the rest."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(got, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_toml(value: Any) -> str:
    if isinstance(value, int):
        return str(value).lower()  # of a bool, too
    if isinstance(value, tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return msgspec.json.encode(str(value)).decode()
