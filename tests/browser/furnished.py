"""A project in which every page has something to show, for those who look at the pages."""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import msgspec

from tests.browser import visitors
from tests.browser.conftest import PASSWORD, PROJECT
from tests.browser.source import Answer, listening, source
from tests.browser.test_boards import made as made_board
from tests.browser.test_devices import disagree, pulled, push
from tests.browser.test_records import change
from tests.server_process import Server

EMPTY = "empty"
"""A project in which nobody has done anything yet, but for an endpoint of the same name."""
WEEKS_H = 28 * 24
MOST_S = 120


class Ids(msgspec.Struct):
    """Of what pages are about: rules, hooks, boards, tokens of links."""

    rule: str = ""
    hook: str = ""
    delivery: str = ""
    board: str = ""
    shared: str = ""
    invitation: str = ""


@contextmanager
def furnished(server: Server) -> Iterator[Ids]:
    """Fills `server`, and answers its polls and webhooks as long as it lasts."""
    with ExitStack() as stack:
        client = stack.enter_context(closing(visitors.signed_in(server)))
        client.headers["x-tenant-id"] = PROJECT
        account = stack.enter_context(closing(visitors.signed_in(server)))
        account.params = httpx.QueryParams()
        polled = stack.enter_context(source(_polled))
        hooked = stack.enter_context(listening(_Receiver))
        ids = Ids()
        _empty(account)
        _watched(client, ids, hooked)
        _documents(client)
        _polls(client, polled.url)
        _events(server, client)
        _notes(server, client, ids)
        _synced(client)
        _datasets(client)
        _ways_in(client)
        _people(server, account, ids)
        _wait_for_anomalies(client)
        told = _ok(client.get("/v1/webhooks/deliveries", params={"state": "failed"}))["data"]
        ids.delivery = told[0]["id"] if told else ""
        yield ids


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(503 if "down" in self.path else 204)
        self.end_headers()
        self.wfile.write(b"upstream is being moved" if "down" in self.path else b"")

    def log_message(self, *_: object) -> None:
        pass


_PRICES = iter(range(1_000_000))


def _polled(path: str, _: str) -> Answer:
    if path == "/broken":
        return Answer(b"<h1>Service unavailable</h1>", 503, "text/html")
    number = next(_PRICES) // 3
    return Answer(msgspec.json.encode({"base": "EUR", "rates": {"USD": 1.08 + number / 1000, "JPY": 160 + number}}))


def _ok(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.text}"
    return answer.json() if answer.content else None


def _empty(client: httpx.Client) -> None:
    for name in (EMPTY, "warehouse", "old-shop"):
        _ok(client.post("/v1/projects", json={"name": name, "description": f"The {name.replace('-', ' ')}"}))
    _ok(client.post("/v1/endpoints", params={"project_id": EMPTY}, json={"name": EMPTY}))
    _ok(client.delete("/v1/projects/old-shop"))


def _watched(client: httpx.Client, ids: Ids, hooked: str) -> None:
    """Rules and webhooks stand before what they are told of."""
    count = {"endpoint": "quakes", "kind": "threshold", "path": "/metadata/count", "op": "gt", "value": 130}
    ids.rule = _ok(client.post("/v1/alerts/rules", json={"name": "Many quakes", **count}))["rule"]["id"]
    many = {"kind": "metric", "query": {"metrics": ["count"], "range": "1h"}, "op": "gt", "value": 20}
    _ok(client.post("/v1/alerts/rules", json={"name": "Visitors in an hour", **many}))
    for name, path in (("archive", "/up"), ("desk", "/down")):
        hook = {"name": name, "url": hooked + path, "events": ["delta.*", "snapshot.*", "alert.*"]}
        ids.hook = _ok(client.post("/v1/webhooks", json=hook))["webhook"]["id"]


def _documents(client: httpx.Client) -> None:
    """Numbers by the hour for four weeks, one of them far off once, and a status that was never there."""
    now = datetime.now(UTC).replace(minute=5, second=0, microsecond=0)
    sent = []
    for ago in range(WEEKS_H, 0, -1):
        load = round(120 + 40 * math.sin(ago * math.pi / 12) + ago * 7 % 11, 1)
        document = {
            "load_mw": load if ago not in (30, 31) else 480.5,
            "status": "fault" if ago == 29 else ("normal" if ago % 3 else "busy"),
            "stations": [
                {"id": f"st-{n}", "name": f"Station {name}", "load": round(load / (n + 2), 2)}
                for n, name in enumerate(("Harbour", "North", "Airport"))
            ],
        }
        sent.append({"endpoint_id": "grid", "captured_at": (now - timedelta(hours=ago)).isoformat(), "data": document})
    for first in range(0, len(sent), 200):
        _ok(client.post("/v1/snapshots/batch", json={"snapshots": sent[first : first + 200]}))


def _polls(client: httpx.Client, url: str) -> None:
    for name, path, times in (("rates", "/rates", 14), ("broken-source", "/broken", 2)):
        polling = {"url": url + path, "interval": "1d", "retries": 0}
        made = _ok(client.post("/v1/endpoints", json={"name": name, "polling": polling}))["endpoint"]["id"]
        for _ in range(times):
            client.post(f"/v1/endpoints/{made}/poll")


def _events(server: Server, client: httpx.Client) -> None:
    now = datetime.now(UTC)
    for back in (2, 1):
        earlier = visitors.events(now - timedelta(hours=back * visitors.HOURS))
        visitors.send(client, ({**each, "messageId": f"{back} {each['messageId']}"} for each in earlier))
    visitors.seed(server)
    for number in range(40):
        traits = {"plan": ("free", "pro")[number % 2], "email": f"u{number}@example.com", "country": "Greece"}
        _ok(client.post("/v1/identify", json={"userId": f"u-{number}", "traits": traits, "messageId": f"i{number}"}))


def _notes(server: Server, client: httpx.Client, ids: Ids) -> None:
    hour = datetime.now(UTC)
    noted = [(61, "Campaign begins", "campaign"), (30, "Version 1.4.2", "deploy"), (29, "Slow", "incident")]
    for ago, text, kind in noted:
        note = {"text": text, "kind": kind, "time": (hour - timedelta(hours=ago)).isoformat()}
        _ok(client.post("/v1/annotations", json=note))
    ids.board = made_board(client, "The week")
    answer = _ok(client.post(f"/v1/boards/{ids.board}/shares", json={"expires_in": "30d"}))
    ids.shared = answer["url"].removeprefix(server.url)


def _synced(client: httpx.Client) -> None:
    push(client, "phone", "1", a={"title": "A"}, b={"title": "B"}, c={"title": "C"})
    push(client, "tablet", "1", d={"title": "D"})
    for device in ("phone", "tablet"):
        pulled(client, device)
    push(client, "phone", "2", a={"title": "A2"}, b={"title": "B2"})
    disagree(client)
    groceries = {"title": "Groceries", "items": [{"id": 1, "name": "Oats", "count": 2}]}
    change(client, "phone", "g1", data=groceries)
    change(client, "phone", "g2", data={**groceries, "items": [*groceries["items"], {"id": 2, "name": "Rye"}]})


def _datasets(client: httpx.Client) -> None:
    for count, price in ((400, 0), (330, 1)):
        rows = [{"sku": f"A-{n:04}", "name": f"Part {n}", "price": price + n} for n in range(count)]
        body = b"\n".join(msgspec.json.encode(row) for row in rows)
        kind = {"content-type": "application/x-ndjson"}
        _ok(client.put("/v1/datasets/products/shop/current", content=body, headers=kind))
        if price == 0:
            _ok(client.post("/v1/datasets/products/shop/promote"))


def _ways_in(client: httpx.Client) -> None:
    scheme = {"verify": {"scheme": "github", "secret": "hush"}}
    _ok(client.put("/v1/endpoints/quakes-europe/inbound-webhook", json=scheme))
    for endpoint in (None, "quakes"):
        _ok(client.post("/v1/feeds", json={"endpoint_id": endpoint}))
    _ok(client.put("/v1/visits/settings", json={"origins": ["https://shop.example.com"]}))
    keys = [("collector", ["snapshots:write"]), ("notebook", ["read"]), ("site", ["visits:write"])]
    for name, scopes in keys:
        kind = {"kind": "write"} if name == "site" else {}
        _ok(client.post("/v1/auth/api-keys", json={"name": name, "scopes": scopes, **kind}))


def _people(server: Server, client: httpx.Client, ids: Ids) -> None:
    for email, role in (("bo@example.com", "editor"), ("cy@example.com", "viewer"), ("di@example.com", "admin")):
        told = _ok(client.post(f"/v1/projects/{PROJECT}/invitations", json={"email": email, "role": role}))
        if email.startswith("di"):
            ids.invitation = told["token"]
            continue
        accepted = {"token": told["token"], "password": PASSWORD, "name": email[:2].title()}
        _ok(httpx.post(f"{server.url}/v1/invitations/accept", json=accepted))
    _ok(client.post("/v1/backups", json={}))


def _wait_for_anomalies(client: httpx.Client) -> None:
    """They are looked for a minute after the start."""
    for _ in range(MOST_S):
        if len(_ok(client.get("/v1/anomalies"))["data"]) > 2:
            return
        time.sleep(1)
