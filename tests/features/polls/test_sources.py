"""What sources answer: other formats, pages, compression, and what is no answer at all."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import httpx
import msgspec
import pytest
import zstandard

from delta_server.features.polls import reading
from delta_server.features.polls.fetching import SMALL_BYTES
from delta_server.services import Services
from tests.conftest import Keys, bearer, shared
from tests.features.polls import polled as p
from tests.features.polls.source import Answer, Asked, json, source

RSS = '<rss version="2.0"><channel><title>t</title>{}</channel></rss>'
ITEM = "<item><title>one</title><guid>1</guid></item>"
DOCUMENT = msgspec.json.encode({"items": [{"id": n, "name": f"item {n}"} for n in range(50)]})

READ: list[tuple[str, Answer, str]] = [
    ("CSV", Answer(b"a,b\n1,2\n", headers={"content-type": "text/csv"}), "[0].b"),
    ("one item of a feed", Answer(RSS.format(ITEM).encode(), headers={"content-type": "text/xml"}), "items[0].title"),
    ("NDJSON", Answer(b'{"a":1}\n{"a":2}\n', headers={"content-type": "application/x-ndjson"}), "[1].a"),
    ("YAML", Answer(b"a: 1\n", headers={"content-type": "application/yaml"}), "a"),
    ("Latin-1", Answer('{"a": "é"}'.encode("latin-1"), headers={"content-type": "text/json; charset=latin1"}), "a"),
    ("a byte order mark", Answer(b'\xef\xbb\xbf{"a": 1}'), "a"),
    ("UTF-16", Answer('{"a": 1}'.encode("utf-16")), "a"),
    ("no content type", Answer(b'{"a": 1}', headers={}), "a"),
    ("JSON that says it is text", Answer(b'{"a": 1}', headers={"content-type": "text/html"}), "a"),
]


def named(title: str) -> str:
    return title.replace(" ", "-")


@pytest.mark.parametrize(("title", "answer", "part"), READ, ids=[row[0] for row in READ])
@shared
async def test_formats_and_character_sets(shared_services: Services, title: str, answer: Answer, part: str) -> None:
    async with source(answer) as api:
        endpoint = await p.polled(shared_services, api.url, named(title), transform=part)
        assert (await p.poll(shared_services, endpoint)).error_class is None
    [stored] = await p.documents(shared_services, endpoint)
    assert msgspec.json.decode(stored) in (1, 2, "2", "one", "é")


async def test_a_feed_is_read_in_a_process_that_can_be_ended(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small it is: what reads feeds has patterns that go back."""

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(reading, "READ_S", 0.05)
    svc = msgspec.structs.replace(services, processes=never, _states={})
    async with source(READ[1][1]) as api:
        row = await p.poll(svc, await p.polled(svc, api.url))
        assert (row.error_class, row.detail) == (
            "transform",
            "the answer was not read within 0.05 s: make transform simpler",
        )


ENCODED: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("gzip", "gzip", gzip.compress),
    ("two members of gzip", "x-gzip", lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:])),
    ("deflate", "deflate", zlib.compress),
    ("zstd", "zstd", zstandard.compress),
    ("two frames of zstd", "zstd", lambda body: zstandard.compress(body[:99]) + zstandard.compress(body[99:])),
    ("Brotli", "br", brotli.compress),
    ("one in the other", "gzip, br", lambda body: brotli.compress(gzip.compress(body))),
]


@pytest.mark.parametrize(("title", "name", "encode"), ENCODED, ids=[row[0] for row in ENCODED])
@shared
async def test_compression(shared_services: Services, title: str, name: str, encode: Callable[[bytes], bytes]) -> None:
    async with source(json(encode(DOCUMENT), content_encoding=name)) as api:
        endpoint = await p.polled(shared_services, api.url, named(title))
        row = await p.poll(shared_services, endpoint)
    assert (row.error_class, row.size_bytes) == (None, len(encode(DOCUMENT)))
    assert await p.documents(shared_services, endpoint) == [DOCUMENT]
    assert "br" in api.asked[0].headers["accept-encoding"]


def bomb() -> bytes:
    """As a body of JSON: four times of what is taken."""
    return b" " * (64 << 20)


GROWING = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
NO_ANSWER: list[tuple[str, Answer | Callable[[], Answer], str]] = [
    ("a page", Answer(b"<!doctype html><html>", headers={"content-type": "text/html"}), "decode"),
    ("garbage", Answer(b"\x00\xff\xfe garbage", headers={"content-type": "application/json"}), "decode"),
    ("half a document", Answer(b'{"a": '), "decode"),
    ("nothing", Answer(b""), "decode"),
    ("NaN", Answer(b'{"a": NaN}'), "decode"),
    ("depth", Answer(b"[" * 100_000), "decode"),
    ("gzip that ends too early", json(gzip.compress(DOCUMENT)[:-9], content_encoding="gzip"), "decode"),
    ("zstd that ends too early", json(zstandard.compress(DOCUMENT)[:-3], content_encoding="zstd"), "decode"),
    ("Brotli that ends too early", json(brotli.compress(DOCUMENT)[:-3], content_encoding="br"), "decode"),
    ("no gzip", json(DOCUMENT, content_encoding="gzip"), "decode"),
    ("an unknown encoding", json(DOCUMENT, content_encoding="lzma"), "decode"),
    ("a bomb of gzip", lambda: json(gzip.compress(bomb(), 1), content_encoding="gzip"), "too_large"),
    ("a bomb of zstd", lambda: json(zstandard.compress(bomb()), content_encoding="zstd"), "too_large"),
    ("a bomb of Brotli", lambda: json(brotli.compress(bomb(), quality=1), content_encoding="br"), "too_large"),
    (
        "a bomb in a bomb",
        lambda: json(gzip.compress(gzip.compress(bomb(), 1)), content_encoding="gzip, gzip"),
        "too_large",
    ),
    ("YAML that grows", Answer(GROWING.encode(), headers={"content-type": "text/yaml"}), "decode"),
    ("a huge length", Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{}"), "connect"),
    ("no HTTP", Answer(raw=b"SSH-2.0-OpenSSH\r\n"), "connect"),
    ("closed at once", Answer(raw=b""), "connect"),
    ("redirected to metadata", Answer(status=302, headers={"location": "http://169.254.169.254/latest/"}), "egress"),
    ("redirected to a network of its own", Answer(status=301, headers={"location": "http://10.0.0.1/"}), "egress"),
    ("redirected to a file", Answer(status=302, headers={"location": "file:///etc/passwd"}), "egress"),
    ("redirected round and round", Answer(status=302, headers={"location": "/data"}), "status"),
    ("a redirect to nowhere", Answer(status=302, headers={}), "status"),
    ("no content", Answer(status=204), "decode"),
    ("gone", Answer(status=410), "status"),
]


@pytest.mark.parametrize(("title", "answer", "error_class"), NO_ANSWER, ids=[row[0] for row in NO_ANSWER])
@shared
async def test_what_is_no_answer(
    shared_services: Services, title: str, answer: Answer | Callable[[], Answer], error_class: str
) -> None:
    async with source(answer if isinstance(answer, Answer) else answer()) as api:
        endpoint = await p.polled(shared_services, api.url, named(title))
        row = await p.poll(shared_services, endpoint)
    assert row.error_class == error_class, row.detail
    assert row.detail is not None
    assert "127.0.0.1" not in row.detail
    assert await p.documents(shared_services, endpoint) == []


async def test_a_body_without_an_end_and_one_that_never_comes(services: Services) -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[" + b"1," * (9 << 20)
    async with source(Answer(raw=endless)) as api:
        endpoint = await p.polled(services, api.url, retries=0)
        assert (await p.poll(services, endpoint)).error_class == "too_large"
        api.let_go.clear()
        await p.changed(services, endpoint, timeout="1s")
        assert (await p.poll(services, endpoint)).error_class == "timeout"


async def test_a_large_answer_is_asked_for_beside_few_and_then_at_once(services: Services) -> None:
    large = b'{"a": "' + b"x" * SMALL_BYTES + b'"}'
    async with source(lambda asked: json(large, etag=f'"{len(asked.path)}"')) as api:
        endpoint = await p.polled(services, api.url)
        assert (await p.poll(services, endpoint)).changed
        assert len(api.asked) == 2
        assert not (await p.poll(services, endpoint)).changed
        assert len(api.asked) == 3
        api.always(json(b'{"a": "small again"}'))
        assert (await p.poll(services, endpoint)).changed
        api.say = lambda asked: json(large)
        assert (await p.poll(services, endpoint)).changed
        assert len(api.asked) == 6
        await p.changed(services, endpoint, transform="sum(a)")  # fails in another process
        row = await p.poll(services, endpoint)
    assert (row.error_class, row.status) == ("transform", 200)


def page(asked: Asked, last: int = 3) -> tuple[int, list[dict[str, int]]]:
    number = int(asked.path.partition("page=")[2] or "1")
    return number, [{"id": number * 10 + n} for n in range(2)] if number <= last else []


async def test_pages_are_gathered_whole_or_not_at_all(services: Services) -> None:
    def by_link(asked: Asked) -> Answer:
        number, items = page(asked)
        headers = {"link": f'</data?page={number + 1}>; rel="next"'} if number < 3 else {}
        return Answer(msgspec.json.encode(items), headers={"content-type": "application/json", **headers})

    paging: dict[str, Any] = {"by": "link"}
    async with source(by_link) as api:
        endpoint = await p.polled(services, api.url, paging=paging, transform="[].id")
        assert (await p.poll(services, endpoint)).changed
        assert await p.documents(services, endpoint) == [b"[10,11,20,21,30,31]"]
        await p.changed(services, endpoint, paging=paging | {"max_pages": 2})
        assert (await p.poll(services, endpoint)).error_class == "decode"
        await p.changed(services, endpoint, paging={"by": "number", "parameter": "page"})
        api.say = lambda asked: json(msgspec.json.encode(page(asked)[1]))
        assert not (await p.poll(services, endpoint)).changed
        api.say = lambda asked: Answer(b"[]", headers={"link": '<http://127.0.0.2:1/>; rel="next"'})
        await p.changed(services, endpoint, paging=paging)
        elsewhere = await p.poll(services, endpoint)
    assert elsewhere.error_class == "decode"
    assert "another server" in (elsewhere.detail or "")


async def test_a_cursor_that_finds_nothing_is_noted_and_one_that_misses_the_next_page_fails(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    """By the record of polls and by a preview, also one that does not ask again."""
    paging = {"by": "cursor", "items": "data", "cursor": "nxt"}
    polling = {"interval": "1h", "enabled": False, "paging": paging}
    async with source(json(b'{"data": [1, 2]}')) as api:
        made = {"name": "paged", "polling": {"url": api.url, **polling}}
        assert (await client.post("/v1/endpoints", json=made, headers=bearer(keys.project))).status_code == 201
        for changed in (True, False):
            asked = await client.post("/v1/endpoints/paged/poll", headers=bearer(keys.project))
            poll = asked.json()["poll"]
            assert (poll["class"], poll["detail"], poll["changed"]) == (None, None, changed)
            assert poll["note"] == (
                "this is one page, for nxt finds nothing in it: if the source has more, they are missing"
            )
        for again in ({}, {"reuse": True}):
            body = {"polling": {"url": api.url, "paging": paging}, "tries": 1, **again}
            tried = (await client.post("/v1/endpoints/preview", json=body, headers=bearer(keys.project))).json()
            assert (tried["note"], tried["pages"]) == (poll["note"], 1)
        api.always(json(b'{"data": [1, 2], "next": "/data?page=2"}'))
        wrong = await client.post("/v1/endpoints/paged/poll", headers=bearer(keys.project))
    found = wrong.json()["poll"]
    assert (found["class"], found["note"]) == ("decode", None)
    assert found["detail"] == "paging: page 1 names the next one in next, but nxt finds nothing in it"
    listed = (await client.get("/v1/endpoints/paged/polls", headers=bearer(keys.project))).json()["data"]
    assert [each["note"] for each in listed] == [None, poll["note"], poll["note"]]


async def test_a_failure_keeps_the_begin_of_the_answer_without_secrets_that_it_repeats(services: Services) -> None:
    def echo(asked: Asked) -> Answer:
        said = f"bad key {asked.headers['x-key']}, {asked.headers['authorization']} at {asked.path}\x00\x1b[2J"
        return Answer(said.encode() + b"x" * 5000, status=401)

    async with source(echo) as api:
        endpoint = await p.polled(
            services,
            f"{api.url}?token=k111",
            headers={"X-Key": "k222"},
            auth={"type": "basic", "username": "me", "password": "k333"},
        )
        row = await p.poll(services, endpoint)
    assert row.excerpt is not None
    assert row.excerpt.startswith("bad key ***, Basic *** at /data?token=***\ufffd\ufffd[2J")
    assert (len(row.excerpt), row.size_bytes > 5000) == (1000, True)
    assert (row.detail or "").endswith("what auth says is not taken")


async def test_a_redirect_gets_neither_headers_nor_credentials(services: Services) -> None:
    """Another port is another server."""
    headers, auth = {"X-Api-Key": "k", "Cookie": "c=1"}, {"type": "bearer", "token": "t"}
    async with source(Answer()) as other, source(Answer(status=302, headers={"location": other.url})) as api:
        endpoint = await p.polled(services, api.url, headers=headers, auth=auth)
        assert (await p.poll(services, endpoint)).error_class is None
    assert api.asked[0].headers["x-api-key"] == "k"
    assert not {"x-api-key", "cookie", "authorization"} & other.asked[0].headers.keys()
