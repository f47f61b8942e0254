from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.packs import codec, pack_format
from delta_server.core.packs.codec import Corrupt
from delta_server.core.packs.pack_format import ANCHOR, Packed, Reader

BASE = b'{"prices": [' + b", ".join(b'{"id": %d, "price": %d}' % (i, i * i) for i in range(200)) + b"]}"
bodies = st.binary(max_size=300) | st.lists(st.sampled_from([b'{"a":1}', b"\x00" * 9, BASE[:40]])).map(b"".join)
packs_of = st.lists(bodies, min_size=1, max_size=40)


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_format, "WHOLE_BYTES", 500)
    monkeypatch.setattr(pack_format, "GAP_BYTES", 100)


def changing(count: int) -> list[bytes]:
    """Each price changes once."""
    history = [BASE]
    for i in range(count):
        price = b'"price": %d}' % (i * i)
        history.append(history[-1].replace(price, b'"price": %s}' % codec.digest(price).hex().encode(), 1))
    return history


CONTENTS = changing(30)
OTHERS_BYTES = sum(map(len, CONTENTS[:-1]))


def opened(packed: Packed, base: bytes | None, contents: Sequence[bytes]) -> Reader:
    assert codec.decode(base, packed.anchor, size=len(contents[-1])) == contents[-1]
    return Reader(packed.table, packed.data, sum(map(len, contents[:-1])))


def frame(reader: Reader, number: int, base: bytes | None, anchor: bytes) -> memoryview:
    """One frame as a read of one content decodes it: the marks and no other gap."""
    marks = None
    if number and reader.has_marks:
        marks = memoryview(bytearray(reader.sizes[0]))
        reader.decode(0, base, anchor, None, marks)
    into = memoryview(bytearray(reader.sizes[number]))
    reader.check(number)
    reader.decode(number, base, anchor, marks, into)
    return into


def bytes_of(decoded: memoryview | str) -> bytes:
    assert isinstance(decoded, memoryview)
    return bytes(decoded)


# Refused


def table(*lists: list[int]) -> bytes:
    return msgspec.msgpack.encode(lists)


DATA = b"x" * 60
TABLES = {
    "empty": b"",
    "no table": msgspec.msgpack.encode({"marks": []}),
    "no numbers": msgspec.msgpack.encode([["a"], [1, 2], [60]]),
    "half of one": table([10], [20, 30], [20, 20, 20])[:-1],
    "no gaps": table([], [], []),
    "too few gaps": table([10], [50], [30, 30]),
    "too few frames": table([10], [20, 30], [30, 30]),
    "frames past the end": table([10], [20, 30], [30, 30, 30]),
    "frames before the end": table([10], [20, 30], [10, 10, 10]),
    "fewer bytes": table([10], [20, 29], [20, 20, 20]),
    "more bytes": table([10], [20, 1 << 60], [20, 20, 20]),
    "negative bytes": table([-10], [40, 30], [20, 20, 20]),
    "negative frames": table([10], [20, 30], [80, -40, 20]),
}


@pytest.mark.parametrize("damaged", TABLES.values(), ids=list(TABLES))
def test_a_table_that_is_not_about_the_frames_is_refused(damaged: bytes) -> None:
    Reader(table([10], [20, 30], [20, 20, 20]), DATA, 60)
    with pytest.raises(Corrupt):
        Reader(damaged, DATA, 60)


def test_a_frame_that_declares_another_size_is_refused_by_its_number() -> None:
    packed = pack_format.encode(None, CONTENTS, level=3)
    assert packed.table is not None
    marks, gaps, stored = msgspec.msgpack.decode(packed.table, type=list[list[int]])
    gaps[0], gaps[1] = gaps[0] + 1, gaps[1] - 1
    reader = Reader(table(marks, gaps, stored), packed.data, OTHERS_BYTES)
    reader.check(0)
    with pytest.raises(Corrupt, match="frame 2"):
        reader.check(2)


def test_a_damaged_gap_keeps_no_other_frame_from_being_read() -> None:
    packed = pack_format.encode(None, CONTENTS, level=3)
    assert packed.table is not None
    stored = msgspec.msgpack.decode(packed.table, type=list[list[int]])[2]
    begin = sum(stored[:2])
    spoilt = packed.data[:begin] + bytes(stored[2]) + packed.data[begin + stored[2] :]
    fine = opened(packed, None, CONTENTS)
    reader = Reader(packed.table, spoilt, OTHERS_BYTES)
    for number in range(len(reader.sizes)):
        if number == 2:
            with pytest.raises(Corrupt, match="frame 2"):
                frame(reader, number, None, CONTENTS[-1])
            assert str(reader.decode_all(None, CONTENTS[-1])[2]).startswith("frame 2")
        else:
            assert bytes_of(reader.decode_all(None, CONTENTS[-1])[number]) == frame(fine, number, None, CONTENTS[-1])
            assert frame(reader, number, None, CONTENTS[-1]) == frame(fine, number, None, CONTENTS[-1])


# What goes in comes out


@given(base=st.none() | bodies, contents=packs_of, level=st.integers(1, 12))
def test_any_content_is_read_from_its_own_frame(base: bytes | None, contents: list[bytes], level: int) -> None:
    packed = pack_format.encode(base, contents, level=level)
    reader = opened(packed, base, contents)
    for content, position in zip(contents, pack_format.positions([len(each) for each in contents]), strict=True):
        if position == ANCHOR:
            continue
        number, start = reader.place(position)
        assert bytes_of(reader.decode_all(base, contents[-1])[number])[start : start + len(content)] == content
        assert frame(reader, number, base, contents[-1])[start : start + len(content)] == content


@given(base=st.none() | bodies, contents=packs_of)
def test_a_pack_from_before_there_were_tables_is_one_gap(base: bytes | None, contents: list[bytes]) -> None:
    others, anchor = b"".join(contents[:-1]), contents[-1]
    data = codec.encode((base or b"") + anchor, others, level=11)
    reader = Reader(None, data, len(others))
    assert not reader.has_marks
    assert reader.place(len(others)) == (0, len(others))
    assert frame(reader, 0, base, anchor) == others


@given(sizes=st.lists(st.integers(0, 400), max_size=60))
def test_each_content_is_a_mark_or_in_one_gap_and_contents_do_not_overlap(sizes: list[int]) -> None:
    placed = pack_format.layout(sizes)
    inside = [content for gap in placed.gaps for content in gap]
    assert sorted([*placed.marks, *inside]) == list(range(max(0, len(sizes) - 1)))
    assert len(placed.gaps) == len(placed.marks) + 1
    for mark, (before, after) in zip(placed.marks, pairwise(placed.gaps), strict=True):
        assert before.stop == mark
        assert after.start == mark + 1
    positions = pack_format.positions(sizes)
    assert positions[-1:] == [ANCHOR][: len(sizes)]
    spans = sorted((start, start + size) for start, size in zip(positions[:-1], sizes[:-1], strict=True))
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]


# Small


def test_a_read_decodes_a_few_times_the_root_of_what_is_in_the_pack() -> None:
    reader = opened(pack_format.encode(None, CONTENTS * 4, level=3), None, CONTENTS * 4)
    assert max(reader.sizes[0] + size for size in reader.sizes[1:]) < 0.25 * sum(reader.sizes)


def test_what_both_ends_of_a_pack_share_is_written_once() -> None:
    """The anchor holds what changed since its base: the contents between them refer to both."""
    changed = [BASE, *changing(199)[1::2]]
    packed = pack_format.encode(BASE, changed[1:], level=11)
    one_by_one = sum(len(codec.encode(before, after, level=11)) for before, after in pairwise(changed))
    assert packed.table is not None
    assert len(packed.anchor + packed.data) < one_by_one


# What is read of it where it is not whole at hand


@given(packs_of, st.none() | st.just(BASE))
def test_a_content_takes_the_ranges_that_are_named(contents: list[bytes], base: bytes | None) -> None:
    packed = pack_format.encode(base, contents, level=3)
    anchor = codec.decode(base, packed.anchor, size=len(contents[-1]))
    for content, position in zip(contents, pack_format.positions([len(each) for each in contents]), strict=True):
        if position == ANCHOR:
            continue
        data = bytearray(len(packed.data))
        for start, end in pack_format.stored_ranges(packed.table, position, len(packed.data)):
            data[start:end] = packed.data[start:end]
        reader = Reader(packed.table, data, sum(map(len, contents[:-1])))
        number, begin = reader.place(position)
        assert bytes(frame(reader, number, base, anchor)[begin : begin + len(content)]) == content


def test_a_table_of_another_pack_has_no_ranges() -> None:
    packed = pack_format.encode(BASE, CONTENTS, level=3)
    for table, size in ((packed.table, len(packed.data) + 1), (b"x", 5)):
        with pytest.raises(Corrupt):
            pack_format.stored_ranges(table, 0, size)
