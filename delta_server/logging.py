"""One JSON line per log event on standard error, or a readable line when that is a terminal. Secrets never pass, and
nobody waits for the reader of a pipe."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from delta_server.log_output import RotatedFile, unstalled

_SECRET_NAMES = frozenset(
    {"authorization", "x-api-key", "api_key", "key", "secret", "password", "token", "cookie", "set-cookie"}
)
_KEY_TEXT = re.compile(r"\bdk_([a-z]+)_[0-9A-Za-z_]+")
_TOKEN_TEXT = re.compile(r"\b(dr_|eyJ)[-0-9A-Za-z_.]+")
"""Refresh and access tokens."""


BROKEN_OFF = "ASGI callable returned without completing response."
"""What uvicorn reports as an error of each answer that is broken off, a slow reader's say. The edge says why."""

_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "exception": 40, "critical": 50}


def configure(
    level: str,
    format: Literal["auto", "json", "text"],
    stream: TextIO | None = None,
    *,
    levels: Mapping[str, str] | None = None,
    file: RotatedFile | None = None,
) -> None:
    """Send structlog's and the standard library's log events to `file`, or else to `stream` (default: standard error).
    `levels` are by name of a logger, for it and those below it."""
    stream = sys.stderr if stream is None else stream
    readable = format == "text" or (format == "auto" and file is None and stream.isatty())
    levels = levels or {}
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    output = unstalled(stream) if file is None else file
    renderer = structlog.dev.ConsoleRenderer(
        colors=file is None and stream.isatty(), timestamp_key="time", sort_keys=False
    )
    last: Processor = renderer if readable else to_json
    structlog.configure(
        processors=[*([_Levels(level, levels)] if levels else []), *shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(min(_NUMBERS[each] for each in (level, *levels.values()))),
        logger_factory=lambda *names: _NamedLogger(cast(TextIO, output), *names[:1]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast(TextIO, output))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("uvicorn", "uvicorn.error", "litestar", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    for name, own in levels.items():
        logging.getLogger(name).setLevel(own.upper())


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != BROKEN_OFF


class _NamedLogger(structlog.WriteLogger):
    def __init__(self, output: TextIO, name: str = "") -> None:
        super().__init__(output)
        self.name = name


class _Levels:
    """Drops what is less severe than its logger's level: that of its own name or of the nearest above it."""

    def __init__(self, level: str, levels: Mapping[str, str]) -> None:
        self._level = _NUMBERS[level]
        self._levels = {name: _NUMBERS[each] for name, each in levels.items()}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if _NUMBERS.get(method, 50) < self._of(getattr(logger, "name", "")):
            raise structlog.DropEvent
        return event

    def _of(self, name: str) -> int:
        while name:
            if (found := self._levels.get(name)) is not None:
                return found
            name = name.rpartition(".")[0]
        return self._level


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values under telling names, and API keys and tokens inside any text (a traceback, say)."""
    for name, value in event.items():
        if name.lower() in _SECRET_NAMES:
            event[name] = "***"
        elif isinstance(value, str) and any(start in value for start in ("dk_", "dr_", "eyJ")):
            event[name] = _TOKEN_TEXT.sub(r"\1***", _KEY_TEXT.sub(r"dk_\1_***", value))
    return event


def to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = {"time": event.pop("time", None), "level": event.pop("level", None), "event": event.pop("event", None)}
    return msgspec.json.encode({**head, **event}, enc_hook=repr).decode()


def silence(name: str) -> None:
    """Drop everything a standard library logger says from now on."""
    logging.getLogger(name).disabled = True
