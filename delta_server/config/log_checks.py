"""What the options of the log must be."""

from collections.abc import Iterator, Mapping, Sequence

from delta_server.config.sections import Config

LEVELS = ("debug", "info", "warning", "error")


def levels_of(levels: Sequence[str]) -> Mapping[str, str]:
    """By name of a logger; those below it have its level too."""
    pairs = (text.partition("=") for text in levels)
    return {name.strip(): level.strip().lower() for name, _, level in pairs}


def problems(config: Config) -> Iterator[str]:
    """Each begins with the option that is to be changed."""
    for text in config.log.levels:
        name, _, level = text.partition("=")
        if not name.strip() or level.strip().lower() not in LEVELS:
            yield f'log.levels: expected a logger and a level such as "delta.polls=debug", got {text!r}'
