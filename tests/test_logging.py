import io
import logging as standard
import re
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from delta_server import logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = standard.getLogger()
    handlers, level, structlogs = root.handlers[:], root.level, structlog.get_config()
    yield
    structlog.configure(**structlogs)  # the secret sweep of all other tests listens there
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_one_json_line_an_event_without_secrets() -> None:
    stream = io.StringIO()
    logging.configure("info", "json", stream)
    structlog.get_logger().info("made", authorization="Bearer x", text="dk_proj_abc_def said", path="/v1")
    structlog.get_logger().debug("too fine")
    try:
        raise ValueError("dk_user_0123")
    except ValueError:
        structlog.get_logger().exception("failed")
    standard.getLogger("some.library").warning("odd %s", "dk_write_9")
    structlog.get_logger().info("refreshed", path="/dr_0a1b/x", said="Bearer eyJhbGciOi.eyJzdWIi.c2ln-_x here")
    made, failed, odd, refreshed = lines_of(stream)
    assert list(made) == ["time", "level", "event", "authorization", "text", "path"]
    assert (made["authorization"], made["text"]) == ("***", "dk_proj_*** said")
    assert "ValueError: dk_user_***" in str(failed["exception"])
    assert (refreshed["path"], refreshed["said"]) == ("/dr_***/x", "Bearer eyJ*** here")
    assert (odd["level"], odd["event"]) == ("warning", "odd dk_write_***")


def test_text_is_readable() -> None:
    stream = io.StringIO()
    logging.configure("info", "text", stream)
    structlog.get_logger().info("made", path="/v1", bytes=7)
    line = stream.getvalue()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[info +\] made +path=/v1 bytes=7\n", line), line
