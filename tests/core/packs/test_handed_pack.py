"""A pack that was handed over holds the contents that were packed, and hands out nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import DatabaseFailed
from delta_server.core.packs import codec, handed_pack, pack_format
from delta_server.core.packs.handed_pack import HandedPack, HeldPacks, OpenPack

DOCUMENT = b"".join(b'{"id": %d}' % number for number in range(40))
bodies = st.binary(min_size=1, max_size=300) | st.just(DOCUMENT)


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_format, "WHOLE_BYTES", 500)
    monkeypatch.setattr(pack_format, "GAP_BYTES", 100)


def handed(base: bytes, contents: list[bytes]) -> HandedPack:
    packed = pack_format.encode(base or None, contents, level=3)
    return HandedPack("pack 7", base, contents[-1], packed.data, packed.table, sum(map(len, contents[:-1])))


def test_what_is_damaged_is_refused() -> None:
    contents = [DOCUMENT + b"%d" % number for number in range(20)]
    fine = handed(b"", contents)
    pack = OpenPack(fine)
    with pytest.raises(DatabaseFailed, match=r"pack 7 is damaged: .*; run delta-server verify"):
        pack.content(0, len(contents[0]), codec.digest(b"another"))
    with pytest.raises(DatabaseFailed, match="hash"):
        pack.content(pack_format.ANCHOR, len(contents[-1]), codec.digest(contents[0]))
    for spoilt in (
        msgspec.structs.replace(fine, data=fine.data[:-1]),
        msgspec.structs.replace(fine, table=b"x"),
        msgspec.structs.replace(fine, data=bytes(len(fine.data))),
        msgspec.structs.replace(fine, size=fine.size + 1),
    ):
        with pytest.raises(DatabaseFailed, match="pack 7"):
            OpenPack(spoilt)


def test_a_damaged_gap_keeps_no_other_from_being_read() -> None:
    contents = [DOCUMENT + b"%d" % number for number in range(20)]
    fine = handed(b"", contents)
    spoilt = OpenPack(msgspec.structs.replace(fine, data=fine.data[:-20] + bytes(20)))
    positions = pack_format.positions(list(map(len, contents)))
    first, last = positions[0], positions[-2]
    assert spoilt.content(first, len(contents[0]), codec.digest(contents[0])) == contents[0]
    with pytest.raises(DatabaseFailed, match="pack 7 is damaged: frame"):
        spoilt.content(last, len(contents[-2]), codec.digest(contents[-2]))


@given(base=st.just(b"") | bodies, contents=st.lists(bodies, min_size=1, max_size=30))
def test_all_contents_come_out(base: bytes, contents: list[bytes]) -> None:
    encoded = msgspec.msgpack.encode(handed(base, contents))
    pack = OpenPack(msgspec.msgpack.decode(encoded, type=HandedPack))
    for body, position in zip(contents, pack_format.positions(list(map(len, contents))), strict=True):
        assert pack.content(position, len(body), codec.digest(body)) == body


def test_the_longest_unused_makes_room() -> None:
    held = HeldPacks[str]()
    for number in range(handed_pack.MOST_HELD):
        assert held.hold(number, f"p{number}") == f"p{number}"
    assert held.get(0) == "p0"
    held.hold(99, "p99")
    assert [held.get(number) for number in (0, 1, 99)] == ["p0", None, "p99"]
