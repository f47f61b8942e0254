"""One JSON line per log event on standard error, or a readable line when that is a terminal. Secrets never pass, and
nobody waits for the reader of a pipe."""

import logging
import re
import sys
from typing import Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from delta_server.log_output import unstalled

_SECRET_NAMES = frozenset(
    {"authorization", "x-api-key", "api_key", "key", "secret", "password", "token", "cookie", "set-cookie"}
)
_KEY_TEXT = re.compile(r"\bdk_([a-z]+)_[0-9A-Za-z_]+")
_TOKEN_TEXT = re.compile(r"\b(dr_|eyJ)[-0-9A-Za-z_.]+")
"""Refresh and access tokens."""


def configure(level: str, format: Literal["auto", "json", "text"], stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's log events to `stream` (default: standard error)."""
    stream = sys.stderr if stream is None else stream
    readable = format == "text" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    output = unstalled(stream)
    renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time", sort_keys=False)
    last: Processor = renderer if readable else to_json
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, output)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("uvicorn", "uvicorn.error", "litestar", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


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
