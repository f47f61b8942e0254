"""The second process: it reads what it is given, and the work is done without it where it ends."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from delta_server import rowdelta
from delta_server.core.rowdelta import blocks
from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.entries import EntryMaker
from delta_server.core.rowdelta.ports import Phase
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage.rowdelta.assistant import ProcessAssistant
from delta_server.storage.rowdelta.spill_file import SpillFile

ROWS = b"".join(b'{"id":%d,"v":%d}\n' % (i, i % 7) for i in range(2000))
SETTINGS = Settings(key_fields=("id",), ignore=("/v",))


@pytest.fixture
def assistant() -> Iterator[ProcessAssistant]:
    with ProcessAssistant(("id",), SETTINGS, after=2, wait_s=60) as assistant:
        assert [assistant.is_ready() for _ in range(3)] == [False, False, True]
        yield assistant


def test_it_answers_what_is_made_here(assistant: ProcessAssistant) -> None:
    for offset in (0, 12345678901):
        assistant.give(offset, ROWS)
        assert assistant.take() == EntryMaker(("id",), SETTINGS).parted(ROWS, offset)
    assistant.give(0, b"no JSON\n")
    assert assistant.take() == b""
    assert assistant.is_ready()


def test_it_may_end(assistant: ProcessAssistant) -> None:
    assistant.give(0, ROWS)
    assert assistant._process is not None
    assistant._process.kill()
    assistant._process.wait()
    assistant.take()
    assistant.give(0, ROWS * 20)
    assert assistant.take() == b""
    assert not assistant.is_ready()


def test_a_comparison_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_bytes(ROWS)
    after.write_bytes(ROWS.replace(b'"v":3', b'"v":4').partition(b"\n")[2])
    with rowdelta.FileSource(before) as old, rowdelta.FileSource(after) as new, SpillFile(tmp_path) as spill:

        def found(**assisted: object) -> bytes:
            phases: list[Phase] = []
            done = Comparison(
                old,
                new,
                Settings(key_fields=("id",)),
                spill=spill,
                progress=lambda _, __, phase: phases.append(phase),
                **assisted,  # type: ignore[arg-type]
            )
            return msgspec.json.encode([done.summary, list(done.operations())])

        assert found(assistant=partial(ProcessAssistant, after=2, wait_s=60)) == found()
