"""The second process: it reads what it is given, and the work is done without it where it ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delta_server import rowdelta
from delta_server.core.rowdelta import blocks, joining
from delta_server.core.rowdelta.checking import Checker
from delta_server.core.rowdelta.comparing import Comparison
from delta_server.core.rowdelta.entries import EntryMaker
from delta_server.core.rowdelta.pairs import PAIR
from delta_server.core.rowdelta.ports import Side, Source
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage import process_copy
from delta_server.storage.rowdelta.assistant import ProcessAssistant
from delta_server.storage.rowdelta.sources import SpooledSource
from delta_server.storage.rowdelta.spill_file import SpillFile

ROWS = b"".join(b'{"id":%d,"v":%d}\n' % (i, i % 7) for i in range(2000))
SETTINGS = Settings(key_fields=("id",), ignore=("/v",))


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process with threads, whatever those of pytest are."""
    monkeypatch.setattr(process_copy, "is_safe", lambda: False)


@pytest.fixture
def assistant() -> Iterator[ProcessAssistant]:
    with ProcessAssistant(("id",), SETTINGS, after=2, wait_s=60) as assistant:
        assert [assistant.is_ready() for _ in range(3)] == [False, False, True]
        yield assistant


def test_it_answers_what_is_made_here(assistant: ProcessAssistant) -> None:
    for offset in (0, 12345678901):
        assistant.give("before", offset, [ROWS, ROWS])
        assert assistant.take() == EntryMaker(("id",), SETTINGS).parted([ROWS * 2], offset)
    assistant.give("before", 0, [b"no JSON\n"])
    assert assistant.take() == b""
    assert assistant.is_ready()


def test_it_reads_a_file_that_is_open(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(ROWS * 3)
    parted = EntryMaker(("id",), SETTINGS).parted
    with rowdelta.FileSource(tmp_path / "rows") as source:
        assert source.file is not None
        files: dict[Side, int] = {"after": source.file}
        with ProcessAssistant(("id",), SETTINGS, files=files, after=1, wait_s=60) as assistant:
            assert [assistant.is_ready() for _ in range(2)] == [False, True]
            assert [assistant.reads("before"), assistant.reads("after")] == [False, True]
            for offset in (0, len(ROWS)):
                assistant.give("after", offset, [ROWS])
            assert [assistant.take(), assistant.take()] == [parted([ROWS], 0), parted([ROWS], len(ROWS))]
            assistant.give("before", 0, [ROWS])
            assert assistant.take() == parted([ROWS], 0)
            (tmp_path / "rows").write_bytes(ROWS)
            assistant.give("after", len(ROWS), [ROWS])
            assert assistant.take() == b"", "it is shorter by now"


def test_it_joins_and_checks(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(ROWS)
    settings = Settings(key_fields=("id",))
    maker, checker = EntryMaker(("id",), settings), Checker(("id",), settings)
    old = maker.make(ROWS, 0, what="", line=1).entries
    new = maker.make(ROWS.replace(b'"v":3', b'"v":4'), 0, what="", line=1).entries
    before, after = b"".join(old[1:]), b"".join(new)
    with rowdelta.FileSource(tmp_path / "rows") as source:
        assert source.file is not None
        with ProcessAssistant(("id",), settings, files={"before": source.file}, after=1, wait_s=60) as assistant:
            assert [assistant.is_ready() for _ in range(2)] == [False, True]
            assistant.give_part(before, after)
            found = joining.unpacked(assistant.take())
            assert found == joining.join(before, after)
            assert (len(found.before), len(found.after)) == (286, 287)
            assistant.give_left("before", b"".join(found.before))
            assert assistant.take() == checker.beside(b"".join(found.before), source.read_at or (lambda *_: b""))
            (tmp_path / "rows").write_bytes(ROWS.replace(b'"v":3', b'"v":9'))
            assistant.give_left("before", found.before[0])
            assert assistant.take() == b"", "the row is another by now"


def test_it_looks_at_pairs(tmp_path: Path) -> None:
    texts = ROWS, ROWS.replace(b'"v":3', b'"v":4').replace(b'"v":5', b'"v":5.0')
    paths = tmp_path / "before", tmp_path / "after"
    settings = Settings(key_fields=("id",))
    entries = []
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
        made = EntryMaker(("id",), settings).make(text, 0, what="", line=1).entries
        entries.append([joining.ENTRY.unpack(entry) for entry in made])
    pairs = b"".join(
        PAIR.pack(new[2], new[3], old[2], old[3], new[1], old[1]) for old, new in zip(*entries, strict=True)
    )
    with rowdelta.FileSource(paths[0]) as old_file, rowdelta.FileSource(paths[1]) as new_file:
        assert old_file.file is not None
        assert new_file.file is not None
        files: dict[Side, int] = {"before": old_file.file, "after": new_file.file}
        with ProcessAssistant(("id",), settings, files=files, after=1, wait_s=60) as assistant:
            assert [assistant.is_ready() for _ in range(2)] == [False, True]
            equal = [i % 7 != 3 for i in range(2000)]
            assistant.give_pairs(pairs, with_lines=False)
            assert assistant.take() == bytes(equal)
            assistant.give_pairs(pairs, with_lines=True)
            changes = zip(*[text.splitlines() for text in texts], equal, strict=True)
            lines = [_change(old, new) for old, new, same in changes if not same]
            assert assistant.take() == bytes(equal) + b"".join(lines)
            paths[1].write_bytes(texts[0])
            assistant.give_pairs(pairs, with_lines=False)
            assert assistant.take() == b"", "rows are others by now"


def _change(old: bytes, new: bytes) -> bytes:
    key = new[1 : new.index(b",")]
    return b'{"op":"change","key":{%b},"before":%b,"after":%b}\n' % (key, old, new)


def test_it_may_end(assistant: ProcessAssistant) -> None:
    assistant.give("before", 0, [ROWS])
    assert assistant._process is not None
    assistant._process.kill()
    assistant._process.wait()
    assistant.take()
    assistant.give("before", 0, [ROWS * 20])
    assert assistant.take() == b""
    assert not assistant.is_ready()


def test_it_may_end_while_it_is_sent_something(assistant: ProcessAssistant) -> None:
    """What it has not been sent by then is in the way of nothing."""
    process = assistant._process
    assert process is not None
    process.kill()
    process.wait()
    assistant.give("before", 0, [ROWS])
    assert assistant.take() == b""
    assistant.__exit__(None, None, None)
    assert process.stdin is not None
    assert process.stdin.closed


_COPIED = """
import sys
from pathlib import Path
from delta_server import rowdelta
from delta_server.core.rowdelta.entries import EntryMaker
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage import process_copy
from delta_server.storage.rowdelta.assistant import ProcessAssistant

rows = Path(sys.argv[1]).read_bytes()
with rowdelta.FileSource(Path(sys.argv[1])) as source:
    with ProcessAssistant(("id",), Settings(), files={"after": source.file}, after=1) as assistant:
        assert assistant.is_ready(), "at once"
        assistant.give("before", 5, [rows])
        assistant.give("after", 0, [rows])
        maker = EntryMaker(("id",), Settings())
        assert [assistant.take(), assistant.take()] == [maker.parted([rows], 5), maker.parted([rows], 0)]
        assistant._process.kill()
        assert assistant.take() == b""
        assert not assistant.is_ready()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no copies")
def test_in_a_process_without_threads_it_is_a_copy(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(ROWS)
    subprocess.run([sys.executable, "-c", _COPIED, tmp_path / "rows"], check=True)


AFTER = ROWS.replace(b'"v":3', b'"v":4').partition(b"\n")[2]


def found(old: Source, new: Source, spill: SpillFile, **assisted: Any) -> bytes:
    settings = Settings(key_fields=("id",))
    done = Comparison(old, new, settings, spill=spill, progress=lambda *_: None, **assisted)
    return msgspec.json.encode([done.summary, list(done.operations())])


def test_a_comparison_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_bytes(ROWS)
    after.write_bytes(AFTER)
    with rowdelta.FileSource(before) as old, rowdelta.FileSource(after) as new, SpillFile(tmp_path) as spill:
        assert old.file is not None
        each: list[dict[Side, int]] = [{}, {"before": old.file}]
        for files in each:
            assistant = partial(ProcessAssistant, files=files, after=2, wait_s=60)
            assert found(old, new, spill, assistant=assistant) == found(old, new, spill)


def test_it_reads_what_is_kept_while_it_is_made_of_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    taken: list[bool] = []

    class Watched(ProcessAssistant):
        def take(self) -> bytes:
            answer = super().take()
            taken.append(bool(answer))
            return answer

    texts = {"before.csv": ROWS, "after.csv": AFTER}
    for name, rows in texts.items():
        (tmp_path / name).write_bytes(b"id,v\n" + rows.translate(None, b'{}":idv'))
    with SpillFile(tmp_path) as spill, ExitStack() as opened:
        plain = [opened.enter_context(rowdelta.FileSource(tmp_path / name)) for name in texts]
        kept = [SpooledSource(source, tmp_path) for source in plain]
        for source in kept:
            opened.callback(source.close)
        next(kept[0].open())  # what was read before is no part of it
        files: dict[Side, int] = {"before": kept[0].file, "after": kept[1].file}
        assistant = partial(Watched, files=files, after=2, wait_s=60)
        assert found(kept[0], kept[1], spill, assistant=assistant) == found(plain[0], plain[1], spill)
    assert len(taken) > 4
    assert all(taken)
