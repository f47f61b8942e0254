"""The options that commands share."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from delta_server.config import Config, Given, Loaded, load

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS = {"data_dir": "storage.data_dir", "host": "server.host", "port": "server.port"}


def load_with(config_file: Path | None, flags: Mapping[str, Any]) -> Loaded:
    """The configuration with the flags that were given. `flags` are by click's name (`data_dir`)."""
    given = {
        _FLAGS[name]: Given(value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value is not None
    }
    return load(file=config_file, flags=given)


def with_loaded(command: Callable[Concatenate[Loaded, P], R]) -> Callable[..., R]:
    """Add --config and --data-dir (and take --host and --port where the command has them); pass Loaded first."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file with options.")
    @click.option("--data-dir", help="Where the database is; made when absent.  [default: ./delta-data]")
    @functools.wraps(command)
    def wrapper(*args: Any, config_file: Path | None, **values: Any) -> R:
        flags = {name: values.pop(name) for name in _FLAGS if name in values}
        return command(load_with(config_file, flags), *args, **values)

    return wrapper


def with_config(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """As `with_loaded`, for commands that do not ask where a value came from."""

    @functools.wraps(command)
    def wrapper(loaded: Loaded, *args: Any, **values: Any) -> R:
        return command(loaded.config, *args, **values)

    return with_loaded(wrapper)
