import contextlib
import io
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.packs import codec
from delta_server.core.packs.codec import Corrupt

BASE = b'{"prices": [' + b", ".join(b'{"id": %d, "price": %d}' % (i, i * i) for i in range(200)) + b"]}"
BODY = BASE.replace(b'"price": 400}', b'"price": 401}')
bodies = st.binary(max_size=300) | st.lists(st.sampled_from([b'{"a":1}', b"\x00" * 9, BASE[:40]])).map(b"".join)
levels = st.integers(1, 12)


# Refused


def declaring(size: int, blocks: bytes) -> bytes:
    """A frame (RFC 8878, 3.1.1) whose header declares `size` bytes, 8-byte field, one segment, no checksum."""
    return b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + size.to_bytes(8, "little") + blocks


LAST_RAW_3 = ((3 << 3) | 1).to_bytes(3, "little") + b"abc"
BLOCK = 128 << 10


def repeated(count: int) -> bytes:
    """So many largest blocks of one zero byte repeated, the last of which says that it is."""
    head = (BLOCK << 3) | (1 << 1)
    return (head.to_bytes(3, "little") + b"\0") * (count - 1) + (head | 1).to_bytes(3, "little") + b"\0"


BOMB = declaring(1 << 30, repeated((1 << 30) // BLOCK))

DAMAGED = {
    "empty": b"",
    "not zstd": b"<html>",
    "half a header": codec.encode(None, BODY, level=3)[:5],
    "half of it": codec.encode(None, BODY, level=3)[:-9],
    "more behind it": codec.encode(None, BODY, level=3) + b"x",
    "two frames": codec.encode(None, BODY, level=3) * 2,
    "declares less than it holds": declaring(2, LAST_RAW_3),
    "declares more than it holds": declaring(len(BODY), LAST_RAW_3),
    "declares nothing": zstandard.ZstdCompressor(write_content_size=False).compress(BODY),
    "declares an exabyte": declaring(1 << 60, LAST_RAW_3),
    "a skippable frame": b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc",
    "a gigabyte in 33 kB": BOMB,
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=list(DAMAGED))
def test_a_frame_that_is_not_what_was_stored_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        codec.decode(None, data, size=len(BODY))


@pytest.mark.parametrize("name", sorted(set(DAMAGED) - {"more behind it", "two frames"}))
def test_a_buffer_takes_only_what_was_stored(name: str) -> None:
    with pytest.raises(Corrupt):
        codec.decode_into(b"x", DAMAGED[name], memoryview(bytearray(len(BODY))))


@pytest.mark.parametrize("size", [1000, 1 << 29])
def test_a_bomb_takes_no_memory(size: int) -> None:
    tracemalloc.start()
    with pytest.raises(Corrupt):
        codec.decode(None, BOMB, size=size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_bomb_that_declares_no_size_takes_no_memory() -> None:
    stream = io.BytesIO()
    with zstandard.ZstdCompressor(level=3).stream_writer(stream, closefd=False) as writer:
        for _ in range(64):
            writer.write(bytes(1 << 20))
    with pytest.raises(Corrupt):
        codec.decode(None, stream.getvalue(), size=1000)


def test_a_frame_that_wants_too_large_a_window_is_refused() -> None:
    window_2_31 = b"\x28\xb5\x2f\xfd" + bytes([0b11000000, 21 << 3]) + (3).to_bytes(8, "little") + LAST_RAW_3
    with pytest.raises(Corrupt, match="window"):
        codec.decode(None, window_2_31, size=3)


def test_the_wrong_base_never_gives_the_body() -> None:
    data = codec.encode(BASE, BODY, level=7)
    for base in (None, BASE[:-1], BASE.replace(b"400", b"444")):
        with contextlib.suppress(Corrupt):
            assert codec.decode(base, data, size=len(BODY)) != BODY


# What goes in comes out


@given(base=st.none() | bodies, body=bodies, level=levels)
def test_round_trip(base: bytes | None, body: bytes, level: int) -> None:
    assert codec.decode(base, codec.encode(base, body, level=level), size=len(body)) == body


@given(base=st.none() | bodies, body=bodies, level=levels)
def test_round_trip_into_a_buffer(base: bytes | None, body: bytes, level: int) -> None:
    into = bytearray(len(body))
    codec.decode_into(base, codec.encode(base, body, level=level, near=True), memoryview(into))
    assert bytes(into) == body


@given(body=bodies, base=bodies, at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_damage_is_an_error_or_shows_in_the_hash(body: bytes, base: bytes, at: int, flip: int) -> None:
    data = bytearray(codec.encode(base, body, level=3))
    data[at % len(data)] ^= flip
    try:
        got = codec.decode(base, bytes(data), size=len(body))
    except Corrupt:
        return
    assert got == body or codec.digest(got) != codec.digest(body)


def test_a_base_that_looks_like_a_zstd_dictionary_is_only_bytes() -> None:
    base = b"\x37\xa4\x30\xec" + BASE
    assert codec.decode(base, codec.encode(base, BODY, level=7), size=len(BODY)) == BODY


# Small


NAMES = [b"open", b"closed", b"waiting", b"gone", b"new", b"held", b"sold"]


def test_a_small_change_costs_some_bytes() -> None:
    assert len(codec.encode(BASE, BODY, level=7)) < 60


@pytest.mark.parametrize("level", [7, 11])
def test_a_small_change_of_a_large_document_costs_little(level: int) -> None:
    """The tables zstd's levels come with would have forgotten where the document began."""
    large = b"".join(codec.digest(number.to_bytes(3)) for number in range(800_000))
    changed = large[:3_000_000] + b"x" + large[3_000_000:]
    data = codec.encode(large, changed, level=level)
    assert len(data) < 4_000
    assert codec.decode(large, data, size=len(changed)) == changed


def test_a_loose_frame_costs_little_more() -> None:
    document = b"".join(b'{"id":%d,"is":"%s","n":%d},' % (n, NAMES[n * n % 7], n * n % 997) for n in range(4_000))
    changed = document.replace(b'"n":77}', b'"n":78}').replace(b'"n":501', b'"n":5011')
    data = codec.encode(document, changed, level=7, loose=True)
    kept = codec.encode(document, changed, level=7)
    assert data != kept, "it is compressed less hard"
    assert len(data) <= 1.5 * len(kept)
    assert codec.decode(document, data, size=len(changed)) == changed
