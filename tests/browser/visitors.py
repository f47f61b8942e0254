"""Visitors of a site over nine days, as events: a page each, more of them by day, many in one hour."""

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.browser.conftest import EMAIL, PASSWORD, PROJECT, WAIT_MS
from tests.server_process import Server

PAGES = ["/event/*", "/map", "/latest", "/", "/learn/magnitude", "/search", "/about"]
COUNTRIES = ["Greece", "Türkiye", "Germany", "<img src=x onerror=alert(1)>"]
HOURS = 9 * 24
BATCH = 500


def signed_in(server: Server) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=WAIT_MS / 1000)
    told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
    client.headers["authorization"] = f"Bearer {told['access_token']}"
    client.params = httpx.QueryParams(project_id=PROJECT)
    return client


def events(now: datetime, *, each_hour: int = 6) -> Iterator[dict[str, Any]]:
    """Up to the hour that runs, oldest first; five times as many in the hour 60 hours ago."""
    chance = random.Random(7)
    begin = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS)
    for hour in range(HOURS):
        many = each_hour * (5 if hour == HOURS - 60 else 1) + hour % 4
        for number in range(many):
            person = f"u-{chance.randrange(40)}"
            yield {
                "messageId": f"{hour}-{number}",
                "eventType": "page" if number % 5 else "signup",
                "timestamp": (begin + timedelta(hours=hour, seconds=number * 3600 // many)).isoformat(),
                "source": "web" if number % 3 else "app",
                "userId": person,
                "sessionId": f"{person}-{hour // 24}",
                "duration": round(chance.lognormvariate(4, 0.6), 1),
                "data": {
                    "path": PAGES[min(int(chance.expovariate(0.5)), 6)],
                    "country": chance.choices(COUNTRIES, [6, 3, 2, 1])[0],
                    "bot": chance.random() < 0.1,
                    "price": round(chance.random() * 40, 2),
                },
            }


def send(client: httpx.Client, sent: Iterator[dict[str, Any]]) -> None:
    batch = list(sent)
    for first in range(0, len(batch), BATCH):
        answer = client.post(
            "/v1/events/batch", headers={"x-tenant-id": PROJECT}, json={"events": batch[first : first + BATCH]}
        )
        assert answer.status_code in (200, 202), answer.text


def seed(server: Server) -> None:
    with closing(signed_in(server)) as client:
        send(client, events(datetime.now(UTC)))
