from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from types import GenericAlias
from typing import Any
from zlib import crc32

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import BadRequest


def forged(value: object) -> str:
    packed = msgspec.msgpack.encode(value)
    return urlsafe_b64encode(crc32(packed).to_bytes(4) + packed).rstrip(b"=").decode()


GOOD = encode_cursor("things", 7, b"x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "!!!!",
        "\u00e9",
        "\udc00",
        GOOD[:-1],
        GOOD + "A",
        GOOD[:8] + "A" + GOOD[9:],
        "A" * 100_000,
        encode_cursor("others", 7, b"x"),
        encode_cursor("things", 7),
        encode_cursor("things", "7", b"x"),
        encode_cursor("things", 7, "x"),
        forged(["things", 1 << 63, b"x"]),
        forged(["things", 2**64 - 1, b"x"]),
        forged(["things", None, b"x"]),
        forged(["things", 1.5, b"x"]),
        forged({"things": 1}),
        forged([]),
        forged("things"),
        forged([["things"], 7, b"x"]),
    ],
)
def test_cursors_that_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        decode_cursor("things", text, tuple[int, bytes])


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(), max_size=5))
def test_cursors_round_trip(key: list[int | str | bytes]) -> None:
    types: Any = GenericAlias(tuple, tuple(type(part) for part in key))
    assert decode_cursor("things", encode_cursor("things", *key), types) == tuple(key)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    text = urlsafe_b64encode(crc32(raw).to_bytes(4) + raw).decode()
    with suppress(BadRequest):
        decode_cursor("things", text, tuple[int])
    assert urlsafe_b64decode(text)


async def test_pages_follow_each_other(sample_client: httpx.AsyncClient) -> None:
    seen, url = [], "/v1/sample/list?limit=100"
    for _ in range(3):
        answer = await sample_client.get(url)
        page = answer.json()
        seen += [item["number"] for item in page["data"]]
        if page["has_more"]:
            url = answer.links["next"]["url"]
            assert url == f"/v1/sample/list?limit=100&cursor={page['next_cursor']}"
    assert (page["has_more"], page["next_cursor"], answer.links) == (False, None, {})
    assert seen == list(range(1, 251))


async def test_an_exact_last_page_has_no_next(sample_client: httpx.AsyncClient) -> None:
    assert (await sample_client.get("/v1/sample/list?limit=250")).json()["has_more"] is False
    assert (await sample_client.get("/v1/sample/list?limit=249")).json()["has_more"] is True


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "must be at least 1"),
        ("limit=1001", "must be at most 1000"),
        ("limit=-1", "must be at least 1"),
        ("limit=x", "must be a whole number, not a string"),
        ("limit=1.5", "must be a whole number, not a string"),
        ("offset=5", "is not a known query parameter"),
    ],
)
async def test_limits(sample_client: httpx.AsyncClient, query: str, message: str) -> None:
    answer = await sample_client.get(f"/v1/sample/list?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": query.split("=")[0], "message": message}]


@pytest.mark.parametrize("cursor", ["x", "%00", forged(["sample", 2**63]), forged(["sample", "1"])])
async def test_malformed_cursors(sample_client: httpx.AsyncClient, cursor: str) -> None:
    answer = await sample_client.get(f"/v1/sample/list?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert answer.json()["errors"][0]["field"] == "cursor"
