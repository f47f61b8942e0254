"""The options that commands share."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from delta_server.config.load import Given, Loaded, load
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS = {"data_dir": "storage.data_dir", "host": "server.host", "port": "server.port"}


def load_with(config_file: Path | None, flags: Mapping[str, Any]) -> Loaded:
    """The configuration with the flags that were given. `flags` are by click's name (`data_dir`)."""
    given = {
        _FLAGS[name]: Given(value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value is not None
    }
    return load(file=config_file, flags=given)


def with_file(command: Callable[Concatenate[Loaded, P], R]) -> Callable[..., R]:
    """Add --config (and take --data-dir, --host and --port where the command has them); pass Loaded first."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file with options.")
    @functools.wraps(command)
    def wrapper(*args: Any, config_file: Path | None, **values: Any) -> R:
        flags = {name: values.pop(name) for name in _FLAGS if name in values}
        return command(load_with(config_file, flags), *args, **values)

    return wrapper


def with_loaded(command: Callable[Concatenate[Loaded, P], R]) -> Callable[..., R]:
    """As `with_file`, with --data-dir too."""
    return click.option("--data-dir", help="Where the database is.  [default: ./delta-data]")(with_file(command))


def with_config(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """As `with_loaded`, for commands that do not ask where a value came from."""

    @functools.wraps(command)
    def wrapper(loaded: Loaded, *args: Any, **values: Any) -> R:
        return command(loaded.config, *args, **values)

    return with_loaded(wrapper)


def with_database(command: Callable[Concatenate[Config, P], R]) -> Callable[..., R]:
    """As `with_config`, for commands that make no database: DeltaError where there is none."""

    @functools.wraps(command)
    def wrapper(config: Config, *args: Any, **values: Any) -> R:
        require_database(config)
        return command(config, *args, **values)

    return with_config(wrapper)


def require_database(config: Config) -> None:
    """Raises DeltaError when nothing was ever stored in the data directory: its name may be mistyped."""
    from delta_server.storage.sqlite.adapter import DATABASE_NAME  # here: `config show` does without a database

    directory = config.storage.data_dir
    try:
        found = (directory / DATABASE_NAME).stat().st_size >= 0
    except PermissionError:
        return  # opening it will tell
    except OSError:
        found = False
    if not found:
        raise DeltaError(
            f"there is no Delta database in {directory}: name its directory with --data-dir or DELTA_DATA_DIR"
        )
