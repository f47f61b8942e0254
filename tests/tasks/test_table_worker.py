"""The versions that a table's process is sent: whole, or in packs that are decoded while those before are read."""

import io

import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.packs import codec, pack_format
from delta_server.core.packs.handed_pack import HandedPack
from delta_server.storage import process_messages
from delta_server.tasks import table_worker
from delta_server.tasks.table_worker import PackedVersion, PackedVersions, packed_message, version_message

UID = bytes(16)


def handed(contents: list[bytes]) -> HandedPack:
    packed = pack_format.encode(None, contents, level=3)
    others = sum(map(len, contents[:-1]))
    return HandedPack("a pack", b"", contents[-1], packed.data, packed.table, others)


def run(pack: int, contents: list[bytes], first: int, *, known: bool = False) -> bytes:
    places = pack_format.positions([len(each) for each in contents])
    versions = [
        PackedVersion(first + number, UID, place, len(each), codec.digest(each))
        for number, (place, each) in enumerate(zip(places, contents, strict=True))
    ]
    return packed_message(PackedVersions(pack, None if known else handed(contents), versions))


def sent(*messages: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(map(process_messages.packed, messages)))


ONE, TWO = [b"[1]", b"[2]", b"[3]"], [b"[4]", b"[5]"]


def test_all_come_in_their_order() -> None:
    arriving = sent(
        run(1, ONE, 0), version_message(3, UID, b"[0]"), run(2, TWO, 4), run(1, ONE, 6, known=True), run(2, TWO, 9), b""
    )
    found = list(table_worker._versions(arriving))
    assert [body for _, _, body in found] == [*ONE, b"[0]", *TWO, *ONE, *TWO]
    assert [at_ms for at_ms, _, _ in found] == list(range(11))


def test_what_is_damaged_is_refused_when_it_is_its_turn() -> None:
    broken = packed_message(PackedVersions(2, HandedPack("pack 2", b"", b"[5]", b"no frame", None, 3), []))
    versions = table_worker._versions(sent(run(1, ONE, 0), broken, b""))
    assert [next(versions)[2] for _ in ONE] == ONE
    with pytest.raises(DatabaseFailed, match="pack 2 is damaged"):
        next(versions)


def test_who_breaks_off_is_noticed() -> None:
    cut = sent(run(1, ONE, 0), run(2, TWO, 3)).getvalue()[:-1]
    with pytest.raises(EOFError):
        list(table_worker._versions(io.BytesIO(cut)))
