"""How an endpoint is polled, on the wire."""

from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.formats.formats import Format
from delta_server.core.paging import Paging
from delta_server.core.polling import schedule
from delta_server.core.polling.schedule import Standing, State
from delta_server.core.polling.settings import Auth, Expect, Method, PollingSettings


class PollingShown(msgspec.Struct, frozen=True):
    """As PollingSettings, with the defaults written out and without what is secret."""

    url: str
    method: Method
    headers: dict[str, str]
    body: Any
    auth: Auth | None
    interval: str | None
    cron: str | None
    timezone: str
    timeout: str
    retries: int
    transform: str | None
    expect: Expect | None
    read_as: Format | None
    paging: Paging | None
    enabled: bool
    state: State
    next_at: str | None
    failing_since: str | None
    waits_until: str | None


def shown(settings: PollingSettings, standing: Standing, due_at: int | None, now_ms: int) -> PollingShown:
    """`settings` are masked."""
    state = schedule.state_of(settings, standing, now_ms)
    return PollingShown(
        **{name: getattr(settings, name) for name in settings.__struct_fields__},
        state=state,
        next_at=None if due_at is None else times.format(max(due_at, now_ms)),
        failing_since=None if standing.failing_since is None else times.format(standing.failing_since),
        waits_until=times.format(standing.waits_until) if state == "waiting" and standing.waits_until else None,
    )


EXAMPLE_SETTINGS: dict[str, Any] = {
    "url": "https://api.example.com/prices",
    "headers": {"X-Api-Key": "a key"},
    "interval": "5m",
    "expect": {"content_type": "application/json"},
}
EXAMPLE: dict[str, Any] = {
    **EXAMPLE_SETTINGS,
    "method": "GET",
    "headers": {"X-Api-Key": "***"},
    "body": None,
    "auth": None,
    "cron": None,
    "timezone": "UTC",
    "timeout": "30s",
    "retries": 2,
    "transform": None,
    "read_as": None,
    "paging": None,
    "enabled": True,
    "state": "on",
    "next_at": "2026-05-02T08:05:00.000Z",
    "failing_since": None,
    "waits_until": None,
}

_TAGS = {
    "NoAuth": "none",
    "Basic": "basic",
    "Bearer": "bearer",
    "ByHeader": "header",
    "ClientCredentials": "oauth2",
}

FIELDS = {
    "PollingShown.url": "What is asked; `***` stands for the value of a parameter whose name says that it is secret",
    "PollingShown.method": "GET, POST, PUT or PATCH",
    "PollingShown.headers": "What is sent beside Delta's own; `***` stands for a value, which may be secret",
    "PollingShown.body": "What is sent, a text or JSON; null for nothing",
    "PollingShown.auth": "How Delta signs in at the source; `***` stands for what is secret",
    "PollingShown.interval": "How often, such as 5m; null where `cron` says when",
    "PollingShown.cron": "When, as five fields of cron; null where `interval` says how often",
    "PollingShown.timezone": "The time zone of `cron`",
    "PollingShown.timeout": "How long an answer may take, such as 30s",
    "PollingShown.retries": "How often a poll that failed is tried again within seconds before it counts as failing",
    "PollingShown.transform": "The JMESPath expression that makes the document out of the answer; null: all of it",
    "PollingShown.expect": "What an answer must be to be stored; null: a status from 200 to 299",
    "PollingShown.read_as": "The format of answers; null: what they say, and look like",
    "PollingShown.paging": "How a source that comes in pages is gathered whole; null: it comes whole",
    "PollingShown.enabled": "Whether it is polled",
    "PollingShown.state": "`on`; `waiting` as long as the source asked for; `backing_off` while it fails; `paused`"
    " after a day of failures, until `enabled` is set again; `off`",
    "PollingShown.next_at": "When it is polled next; null for never",
    "PollingShown.failing_since": "When the first of the failures in a row was; null without any",
    "PollingShown.waits_until": "Until when the source asked to be left alone; null where it did not",
    **{f"{name}.type": f"`{tag}`" for name, tag in _TAGS.items()},
    "Basic.username": "The name",
    "Basic.password": "`***`",
    "Bearer.token": "`***`",
    "ByHeader.name": "The header's name",
    "ByHeader.value": "`***`",
    "ClientCredentials.token_url": "Where an access token is got",
    "ClientCredentials.client_id": "The client's id",
    "ClientCredentials.client_secret": "`***`",
    "ClientCredentials.scope": "The scopes asked for, with spaces between",
    "ClientCredentials.audience": "Whom the token is for, where the server wants to know",
    "Paging.by": "How the next page is found: `link`, `cursor` or `number`",
    "Paging.items": "A JMESPath expression for the array of a page's items",
    "Paging.cursor": "A JMESPath expression for what names the next page",
    "Paging.parameter": "The query parameter of the cursor or of the page's number",
    "Paging.first": "The number of the first page",
    "Paging.max_pages": "How many pages there may be",
    "Expect.status": "Statuses that are an answer; any from 200 to 299 where it is absent",
    "Expect.content_type": "The media type, such as application/json or text/*",
    "Expect.expression": "A JMESPath expression that must be true of the document",
}
