import gzip
import os
import zlib
from contextlib import suppress

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import BadRequest, NotAcceptable, TooLarge
from delta_server.http.encodings import answer_encoding, decode, request_encoding

TEXT = b'{"name": "' + os.urandom(40_000).hex().encode() + b'"}'
LIMIT = 8 << 20


def zstd(data: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def zstd_stream(data: bytes, window_log: int) -> bytes:
    """Without the size in its header, with the window in it."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "wire"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("zstd", zstd(TEXT)),
        ("zstd", zstd(TEXT[:100]) + zstd(TEXT[100:])),
        ("zstd", zstd_stream(TEXT, 20)),
        ("zstd", zstd_stream(TEXT, 23)),
        ("zstd", zstd(TEXT, level=19, write_checksum=True)),
        ("zstd", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstd(TEXT)),  # a skippable frame first
    ],
)
def test_bodies_are_decoded(encoding: str, wire: bytes) -> None:
    assert decode(wire, encoding, limit=LIMIT) == TEXT


@pytest.mark.parametrize(
    ("encoding", "wire"),
    [
        ("gzip", b""),
        ("gzip", TEXT),
        ("gzip", gzip.compress(TEXT)[:-1]),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("gzip", gzip.compress(TEXT) + b"garbage"),
        ("gzip", gzip.compress(TEXT) + gzip.compress(TEXT)[:20]),
        ("gzip", gzip.compress(TEXT)[:-5] + b"\0\0\0\0\0"),
        ("gzip", zlib.compress(TEXT)),
        ("zstd", b""),
        ("zstd", TEXT),
        ("zstd", zstd(TEXT)[:-1]),
        ("zstd", zstd(TEXT)[:1000]),
        ("zstd", zstd(TEXT) + b"garbage"),
        ("zstd", zstd_stream(TEXT, 24)),
        ("zstd", zstd_stream(TEXT, 27)),
    ],
)
def test_broken_bodies(encoding: str, wire: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(wire, encoding, limit=LIMIT)


BOMBS = {
    "gzip": lambda: gzip.compress(bytes(LIMIT + 1)),
    "gzip in members": lambda: gzip.compress(bytes(LIMIT // 2 + 1)) * 2,
    "zstd": lambda: zstd(bytes(LIMIT + 1)),
    "zstd without its size": lambda: zstd_stream(bytes(LIMIT + 1), 20),
    "zstd in frames": lambda: zstd(bytes(LIMIT // 100 + 1)) * 100,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    with pytest.raises(TooLarge):
        decode(BOMBS[name](), name.split()[0], limit=LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_bodies_larger_than_what_is_kept_are_decoded_twice(encoding: str) -> None:
    text = os.urandom(1000) * 10_000
    wire = gzip.compress(text, 1) if encoding == "gzip" else zstd(text)
    assert decode(wire, encoding, limit=64 << 20) == text


@given(st.binary(max_size=200), st.sampled_from(["gzip", "zstd"]))
def test_any_bytes_are_refused_or_decoded(wire: bytes, encoding: str) -> None:
    with suppress(BadRequest, TooLarge):
        decode(wire, encoding, limit=1000)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [(b"", None), (b"identity", None), (b" GZIP ", "gzip"), (b"x-gzip", "gzip"), (b"zstd", "zstd")],
)
def test_content_encodings(header: bytes, encoding: str | None) -> None:
    assert request_encoding(header) == encoding


@pytest.mark.parametrize("header", [b"br", b"deflate", b"gzip, gzip", b"gzip;q=1", b"*", b"\xff"])
def test_content_encodings_that_are_refused(header: bytes) -> None:
    with pytest.raises(NotAcceptable):
        request_encoding(header)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (b"", None),
        (b"gzip", "gzip"),
        (b"zstd", "zstd"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip;q=1.0, zstd;q=0.5", "gzip"),
        (b"gzip;q=0", None),
        (b"gzip;q=0, *", "zstd"),
        (b"*", "zstd"),
        (b"*;q=0", None),
        (b"zstd;q=0, *;q=0.1", "gzip"),
        (b"identity", None),
        (b"br", None),
        (b"gzip;q=2", None),
        (b"gzip;q=nan", None),
        (b"GZIP; Q=0.5", "gzip"),
        (b"\xff;;,,q=1", None),
    ],
)
def test_accepted_encodings(accept: bytes, encoding: str | None) -> None:
    assert answer_encoding(accept) == encoding


async def test_encoded_requests(sample_client: httpx.AsyncClient) -> None:
    for encoding, wire in (("gzip", gzip.compress(TEXT)), ("zstd", zstd(TEXT))):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        answer = await sample_client.post("/v1/sample/document", content=wire, headers=headers)
        assert answer.content == TEXT
        bomb = await sample_client.post("/v1/sample/document", content=BOMBS[encoding](), headers=headers)
        assert (bomb.status_code, bomb.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    other = await sample_client.post(
        "/v1/sample/document", content=b"x", headers={"content-type": "application/json", "content-encoding": "br"}
    )
    assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip, zstd")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_encoded_answers(sample_client: httpx.AsyncClient, encoding: str) -> None:
    accept = {"accept-encoding": encoding}
    for size in (2000, 1_000_000):
        answer = await sample_client.get(f"/v1/sample/text/{size}", headers=accept)
        assert answer.content == b"a" * size
        assert answer.headers["content-encoding"] == encoding
        assert int(answer.headers["content-length"]) < size / 10
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["etag"] == 'W/"x"'
    stream = await sample_client.get("/v1/sample/stream", headers=accept)
    assert stream.content == b'{"a":1}\n' * 10_000
    assert stream.headers["content-encoding"] == encoding
    assert "content-length" not in stream.headers


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        ("GET", "/v1/sample/text/1000", "gzip"),
        ("GET", "/v1/sample/live", "gzip"),
        ("GET", "/v1/sample/text/2000", "gzip;q=0"),
        ("GET", "/v1/sample/text/2000", "identity"),
        ("HEAD", "/v1/sample/text/2000", "gzip"),
        ("GET", "/docs/favicon-32x32.png", "gzip"),
    ],
)
async def test_answers_that_are_left_as_they_are(
    sample_client: httpx.AsyncClient, method: str, path: str, accept: str
) -> None:
    answer = await sample_client.request(method, path, headers={"accept-encoding": accept})
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
