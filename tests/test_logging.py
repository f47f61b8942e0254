import io
import logging as standard
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from uvicorn.protocols.http import httptools_impl

from delta_server import logging
from delta_server.log_output import RotatedFile


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


def test_an_answer_that_is_broken_off_is_one_line() -> None:
    """The edge has one with the reason, at the level it deserves; uvicorn had an error more for each slow reader."""
    stream = io.StringIO()
    logging.configure("info", "json", stream)
    assert f'"{logging.BROKEN_OFF}"' in Path(httptools_impl.__file__).read_text()
    standard.getLogger("uvicorn.error").error(logging.BROKEN_OFF)
    standard.getLogger("uvicorn.error").error("Exception in ASGI application")
    assert [line["event"] for line in lines_of(stream)] == ["Exception in ASGI application"]


def test_text_is_readable() -> None:
    stream = io.StringIO()
    logging.configure("info", "text", stream)
    structlog.get_logger().info("made", path="/v1", bytes=7)
    line = stream.getvalue()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[info +\] made +path=/v1 bytes=7\n", line), line


def test_single_loggers_have_levels_of_their_own() -> None:
    stream = io.StringIO()
    levels = {"delta.polls": "debug", "delta": "error", "some.library": "error"}
    logging.configure("warning", "json", stream, levels=levels)
    for name in ("delta.polls", "delta.polls.one", "delta.pollster", "delta", "other", ""):
        made = structlog.get_logger(name) if name else structlog.get_logger()
        for level in ("debug", "warning", "error"):
            getattr(made, level)(f"{name} {level}")
    standard.getLogger("some.library").warning("some.library warning")
    assert [line["event"] for line in lines_of(stream)] == [
        *(f"{name} {level}" for name in ("delta.polls", "delta.polls.one") for level in ("debug", "warning", "error")),
        *("delta.pollster error", "delta error", "other warning", "other error", " warning", " error"),
    ]


def test_a_file_is_rotated_by_size(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "delta.log", most_bytes=400, files=3)
    logging.configure("info", "auto", file=file)
    for number in range(20):
        structlog.get_logger().info("made", number=number, text="x" * 40)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["delta.log", "delta.log.1", "delta.log.2"]
    assert all(path.stat().st_size <= 400 for path in tmp_path.iterdir())
    assert (tmp_path / "delta.log").stat().st_mode & 0o777 == 0o600
    newest_first = ["delta.log", "delta.log.1", "delta.log.2"]
    numbers = [msgspec.json.decode(line)["number"] for name in newest_first[::-1]
               for line in (tmp_path / name).read_text().splitlines()]  # fmt: skip
    assert numbers == list(range(20 - len(numbers), 20)), "none is lost on the way, and each is whole"


def test_one_file_alone_begins_anew(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "delta.log", most_bytes=10, files=1)
    for line in ("first line\n", "second line\n"):
        file.write(line)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["second line\n"]
