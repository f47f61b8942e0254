import fcntl
import os
from collections.abc import Iterator

import pytest

from delta_server import log_output
from delta_server.log_output import LogOutput, unstalled

LINE = "x" * 999 + "\n"


class Pipe:
    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.output = LogOutput(self.write_end)

    def read(self) -> str:
        return os.read(self.read_end, 1 << 20).decode()

    def read_until(self, end: str) -> str:
        text = ""
        while not text.endswith(end):
            text += self.read()
        return text

    def fill(self) -> int:
        """Lines that nobody reads, until one waits; how many."""
        count = 0
        while self.output._thread is None:
            self.output.write(LINE)
            count += 1
        return count


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.write_end)
    os.close(made.read_end)


def test_a_line_is_written_at_once(pipe: Pipe) -> None:
    pipe.output.write("one \udcff \u00e9\n")
    assert pipe.read() == "one \\udcff \u00e9\n"
    assert pipe.output._thread is None


def test_what_nobody_reads_waits_and_comes_in_order(pipe: Pipe) -> None:
    count = pipe.fill()
    pipe.output.write("last\n")
    assert pipe.read_until("last\n") == LINE * count + "last\n"
    pipe.output.end()
    assert pipe.output._thread is None
    pipe.output.write("again\n")
    assert pipe.read() == "again\n"


def test_past_a_bound_lines_are_lost_and_counted(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "MOST_BYTES", 5000)
    told: list[int] = []
    count = pipe.fill()
    for _ in range(10):
        pipe.output.write(LINE)
    monkeypatch.undo()
    monkeypatch.setattr(log_output.log, "warning", lambda _, lines: told.append(lines), raising=False)
    pipe.output.write("last\n")
    text = pipe.read_until("last\n")
    pipe.output.end()
    assert told == [count + 10 - text.count(LINE)]
    assert told[0] > 0


def test_a_reader_that_is_gone_stops_nobody() -> None:
    read_end, write_end = os.pipe()
    output = LogOutput(write_end)
    os.close(read_end)
    output.write(LINE)
    assert output._thread is None
    os.close(write_end)


def test_a_descriptor_that_never_blocks(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.write_end, fcntl.F_SETFL, os.O_NONBLOCK)
    count = pipe.fill()
    pipe.output.write("last\n")
    assert pipe.read_until("last\n") == LINE * count + "last\n"
    pipe.output.end()


def test_what_is_no_file_is_written_to_as_it_is() -> None:
    class NoFile:
        def fileno(self) -> int:
            raise ValueError

    stream = NoFile()
    assert unstalled(stream) is stream  # type: ignore[arg-type, comparison-overlap]  # it is no TextIO: that is the point
