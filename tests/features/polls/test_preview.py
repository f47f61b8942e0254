"""A configuration tried: what would be stored, what is noise, and nothing is stored."""

from itertools import count
from typing import Any

import httpx
import pytest
from msgspec import to_builtins

from delta_server.app import Application
from delta_server.core.polling.next_pages import paging_of
from delta_server.features.polls import previewing
from tests.conftest import Keys, bearer
from tests.features.polls.source import Answer, Asked, json, source
from tests.features.rows import Row, check

PREVIEW = "/v1/endpoints/preview"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "PAUSE_S", 0)


def trial(title: str, body: object, status: int, *, key: str | None = "project", field: str | None = None) -> Row:
    return Row(title, "POST", PREVIEW, status, key=key, body=body, field=field)


REFUSED = [
    trial("without a key", {"polling": {"url": "https://a.example/"}}, 401, key=None),
    trial("with a read key", {"polling": {"url": "https://a.example/"}}, 403, key="read"),
    trial("nothing", {}, 400, field="polling"),
    trial("no address", {"polling": {}}, 400, field="polling.url"),
    trial("a file", {"polling": {"url": "file:///etc/passwd"}}, 400, field="polling.url"),
    trial("very many tries", {"polling": {"url": "https://a.example/"}, "tries": 9}, 400, field="tries"),
    trial("no JMESPath", {"polling": {"url": "https://a.example/", "transform": "["}}, 400, field="polling.transform"),
    trial("a mask of nothing", {"polling": {"url": "https://a.example/", "headers": {"X-A": "***"}}}, 400),
    trial("the secrets of what is not there", {"polling": {"url": "https://a.example/"}, "endpoint": "none"}, 404),
]


async def test_refused(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)


async def test_a_source_tried_twice(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    numbers = count(1)

    def say(_: Asked) -> Answer:
        body = b'{"generated": %d, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}' % next(numbers)
        return json(body, etag='"v1"', cache_control="max-age=3000")

    before = app.services.db.peek(lambda tx: tx.one("SELECT count(*) FROM endpoint, snapshot"))
    async with source(say) as api:
        body = {"polling": {"url": f"{api.url}?token=k1"}}
        found = await check(client, keys, trial("", body, 200))
        assert (found["ok"], found["status"], found["read_as"], found["conditional"]) == (True, 200, "json", "etag")
        assert found["source"] == found["result"] == {
            "generated": 2, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
        }  # fmt: skip
        assert found["fields"][0] == {
            "pattern": "/generated", "differs": 1, "of": 1, "bytes": 14, "noise": True, "same": False,
            "first": {"path": "/generated", "before": 1},
        }  # fmt: skip
        assert [field["noise"] for field in found["fields"][1:]] == [False, False]
        assert found["keys"] == {"/items": ["sku"]}
        assert found["suggested"] == {"name": "127.0.0.1/data", "interval": "1h", "paging": None}
        assert (found["source_fields"], found["tracked_by"], len(api.asked)) == (None, None, 2)
        assert {"resolve", "connect", "wait", "read", "parse"} == {step["step"] for step in found["steps"]}

        part = {"polling": {"url": api.url, "transform": "items[].n"}, "tries": 1}
        found = await check(client, keys, trial("", part, 200))
        assert (found["result"], found["result_bytes"], found["keys"]) == ([1, 2], 5, {})
        assert [field["pattern"] for field in found["source_fields"]] == ["/generated", "/items/*/sku", "/items/*/n"]
    assert app.services.db.peek(lambda tx: tx.one("SELECT count(*) FROM endpoint, snapshot")) == before


async def test_a_source_that_fails_is_an_answer(client: httpx.AsyncClient, keys: Keys) -> None:
    async with source(Answer(status=401)) as api:
        found = await check(client, keys, trial("", {"polling": {"url": api.url}}, 200))
        assert (found["ok"], found["class"], found["status"]) == (False, "status", 401)
        assert "sign in" in found["detail"]
        api.always(Answer(b"<html>", headers={"content-type": "text/html"}))
        found = await check(client, keys, trial("", {"polling": {"url": api.url}}, 200))
        assert (found["class"], found["status"]) == ("decode", 200)
        assert [step["step"] for step in found["steps"]][-1] == "parse"
        # The second try failing, the first is shown
        answers = iter([json(b"[1]"), Answer(status=500)])
        api.say = lambda _: next(answers)
        assert (await check(client, keys, trial("", {"polling": {"url": api.url}}, 200)))["result"] == [1]


async def test_with_the_secrets_of_an_endpoint(client: httpx.AsyncClient, keys: Keys) -> None:
    async with source(lambda asked: json(b'"%s"' % asked.headers.get("x-key", "none").encode())) as api:
        polling = {"url": api.url, "interval": "5m", "headers": {"X-Key": "k1"}, "enabled": False}
        made = {"name": "prices", "polling": polling}
        assert (await client.post("/v1/endpoints", json=made, headers=bearer(keys.project))).status_code == 201
        body = {"polling": {"url": api.url, "headers": {"X-Key": "***"}}, "endpoint": "prices", "tries": 1}
        found = await check(client, keys, trial("", body, 200))
        assert (found["result"], found["tracked_by"]) == ("k1", "prices")
        # They go to no other server, and to nobody else
        async with source(json(b"{}")) as other:
            body["polling"] = {"url": other.url, "headers": {"X-Key": "***"}}
            await check(client, keys, trial("", body, 400, field="polling.headers"))
            await check(client, keys, trial("", body, 404, key="other"))
            assert other.asked == []


async def test_another_expression_does_not_ask_again(client: httpx.AsyncClient, keys: Keys) -> None:
    numbers = count(1)
    async with source(lambda _: json(b'{"at": %d, "items": [{"n": 1}]}' % next(numbers))) as api:

        async def tried(key: str = "project", **polling: object) -> dict[str, Any]:
            body = {"polling": {"url": api.url, **polling}, "reuse": True}
            found: dict[str, Any] = await check(client, keys, trial("", body, 200, key=key))
            return found

        assert (await tried())["result"] == {"at": 2, "items": [{"n": 1}]}
        kept = await tried(transform="{at: at}")
        assert (kept["source"], kept["result"], kept["steps"]) == ({"at": 2, "items": [{"n": 1}]}, {"at": 2}, [])
        [field] = kept["fields"]
        assert (field["pattern"], field["noise"], field["first"]) == ("/at", True, {"path": "/at", "before": 1})
        failed = await tried(expect={"content_type": "text/*"})
        assert (failed["ok"], failed["class"]) == (False, "expect")
        assert (await tried(expect={"status": [204]}))["class"] == "status"
        assert (await tried(transform="items", expect={"expression": "at > `0`"}))["result"] == [{"n": 1}]
        assert len(api.asked) == 2
        # Another request is another question, and so is another project's
        await tried(headers={"X-A": "b"})
        assert len(api.asked) == 4
        await tried(key="other")
        assert len(api.asked) == 6


PAGED = [
    ('<https://a.example/?page=2>; rel="next"', b"[1]", {"by": "link"}),
    ('<https://a.example/?page=2>; rel="next"', b'{"n": [], "rows of": [1, 2]}', {"by": "link", "items": '"rows of"'}),
    ('<https://a.example/?page=2>; rel="last"', b"[1]", None),
    ('<https://a.example/?page=2>; rel="next"', b"1", None),
    ("", b'{"next": "https://a.example/2", "results": [1]}', {"by": "cursor", "items": "results", "cursor": "next"}),
    ("", b'{"next": null, "results": [1]}', None),
    ("", b'{"next": "tomorrow", "results": [1]}', None),
    (
        "",
        b'{"nextPageToken": "x1", "files": [1]}',
        {"by": "cursor", "items": "files", "cursor": "nextPageToken", "parameter": "pageToken"},
    ),
    ("", b'{"nextPageToken": "x1"}', None),
]


@pytest.mark.parametrize(("link", "body", "expected"), PAGED)
def test_more_pages_are_found(link: str, body: bytes, expected: dict[str, str] | None) -> None:
    found = paging_of(body, link)
    assert (None if found is None else to_builtins(found)) == expected
