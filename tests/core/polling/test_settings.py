"""How an endpoint is polled, as its owner says it: changes, secrets, and what is refused."""

from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Invalid
from delta_server.core.polling import checks
from delta_server.core.polling import settings as polling
from delta_server.core.polling.settings import MASK, Basic, Bearer, ByHeader, ClientCredentials, PollingSettings

URL = "https://example.com/prices.json"


def change(**members: Any) -> polling.PollingChange:
    return msgspec.convert(members, polling.PollingChange)


def made(**members: Any) -> PollingSettings:
    settings = polling.changed(None, change(**{"url": URL, "interval": "5m"} | members))
    checks.validate(settings)
    return settings


WHOLE = made(
    url="https://example.com/a?api_key=k1&page=2",
    headers={"X-Api-Key": "k2", "Accept": "text/csv"},
    auth={"type": "bearer", "token": "k3"},
)
SECRETS = ("k1", "k2", "k3")


def test_what_is_shown_has_no_secret_and_with_them_it_is_whole_again() -> None:
    shown = polling.masked(WHOLE)
    text = msgspec.json.encode(shown).decode()
    assert not any(secret in text for secret in SECRETS)
    assert (shown.url, shown.headers["Accept"]) == (f"https://example.com/a?api_key={MASK}&page=2", "text/csv")
    secrets = polling.secrets_of(WHOLE)
    assert secrets is not None
    assert polling.with_secrets(shown, secrets) == WHOLE
    assert polling.secrets_of(made()) is None


@pytest.mark.parametrize(
    "auth",
    [
        Basic("me", "s1"),
        Bearer("s1"),
        ByHeader("X-Key", "s1"),
        ClientCredentials("https://idp.example.com/token", "id", "s1", "read"),
    ],
)
def test_each_way_to_sign_in_is_kept_and_masked(auth: polling.Auth) -> None:
    settings = made(auth=msgspec.to_builtins(auth))
    assert settings.auth == auth
    assert "s1" not in msgspec.json.encode(polling.masked(settings)).decode()
    secrets = polling.secrets_of(settings)
    assert secrets is not None
    assert polling.with_secrets(polling.masked(settings), secrets) == settings


def test_what_a_form_was_shown_it_may_send_back() -> None:
    shown = msgspec.to_builtins(polling.masked(WHOLE))
    assert polling.changed(WHOLE, change(**shown)) == WHOLE
    assert polling.changed(WHOLE, change(interval="1h")).auth == WHOLE.auth
    assert polling.changed(WHOLE, change(headers={"x-api-key": MASK})).headers == {"x-api-key": "k2"}
    assert polling.changed(WHOLE, change(auth=None, headers=None)).headers == {}
    assert polling.changed(WHOLE, change(auth={"type": "none"})).auth is None


def test_interval_and_cron_take_each_others_place() -> None:
    by_cron = polling.changed(WHOLE, change(cron="0 6 * * *"))
    assert (by_cron.interval, by_cron.cron) == (None, "0 6 * * *")
    again = polling.changed(by_cron, change(interval="1m"))
    assert (again.interval, again.cron) == ("1m", None)


ELSEWHERE = [
    ("headers kept", {"url": "https://evil.example/"}, "polling.headers"),
    ("headers masked", {"url": "https://evil.example/", "headers": {"X-Api-Key": MASK}}, "polling.headers"),
    ("auth kept", {"url": "https://evil.example/", "headers": None}, "polling.auth"),
    (
        "auth masked",
        {"url": "https://evil.example/", "headers": None, "auth": {"type": "bearer"}},
        "polling.auth",
    ),
    (
        "a parameter masked",
        {"url": f"https://evil.example/?api_key={MASK}", "headers": None, "auth": None},
        "polling.url",
    ),
    ("another port", {"url": "https://example.com:8443/"}, "polling.headers"),
    ("without TLS", {"url": "http://example.com/"}, "polling.headers"),
]


@pytest.mark.parametrize(("title", "members", "field"), ELSEWHERE, ids=[row[0] for row in ELSEWHERE])
def test_what_was_given_for_one_server_is_not_sent_to_another(title: str, members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        polling.changed(WHOLE, change(**members))
    assert [error.field for error in refused.value.errors] == [field]


def test_given_again_a_secret_may_go_elsewhere() -> None:
    moved = polling.changed(
        WHOLE,
        change(url="https://new.example/", headers={"X-Api-Key": "k2"}, auth={"type": "bearer", "token": "k3"}),
    )
    assert (moved.headers, moved.auth) == ({"X-Api-Key": "k2"}, Bearer("k3"))


def test_a_client_secret_stays_with_its_server_of_tokens() -> None:
    auth = {"type": "oauth2", "token_url": "https://idp.example/token", "client_id": "a", "client_secret": "s"}
    settings = made(auth=auth)
    with pytest.raises(Invalid, match="another server"):
        polling.changed(settings, change(auth=auth | {"token_url": "https://evil.example/", "client_secret": MASK}))
    same = polling.changed(settings, change(auth=auth | {"token_url": "https://idp.example/v2", "client_secret": MASK}))
    assert isinstance(same.auth, ClientCredentials)
    assert same.auth.client_secret == "s"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no address", {"url": "prices"}, "polling.url"),
    ("a file", {"url": "file:///etc/passwd"}, "polling.url"),
    ("a password in the address", {"url": "https://me:pw@example.com/"}, "polling.url"),
    ("a fragment", {"url": "https://example.com/#a"}, "polling.url"),
    ("a backslash", {"url": "https://example.com\\@evil.example/"}, "polling.url"),
    ("a line break", {"url": "https://example.com/\r\nx: y"}, "polling.url"),
    ("no schedule", {"interval": None}, "polling.interval"),
    ("too often", {"interval": "9s"}, "polling.interval"),
    ("too seldom", {"interval": "400d"}, "polling.interval"),
    ("no length of time", {"interval": "often"}, "polling.interval"),
    ("two schedules", {"interval": "5m", "cron": "* * * * *"}, "polling.cron"),
    ("no cron", {"interval": None, "cron": "61 * * * *"}, "polling.cron"),
    ("no time zone", {"interval": None, "cron": "0 6 * * *", "timezone": "Mars/Base"}, "polling.timezone"),
    ("too long to wait", {"timeout": "10m"}, "polling.timeout"),
    ("a header of our own", {"headers": {"Host": "x"}}, "polling.headers.Host"),
    ("a header with a line break", {"headers": {"X-A": "a\r\nX-B: b"}}, "polling.headers.X-A"),
    ("a header's name with a blank", {"headers": {"X A": "a"}}, "polling.headers.X A"),
    ("a header twice", {"headers": {"X-A": "a", "x-a": "b"}}, "polling.headers"),
    ("a header that cannot be sent", {"headers": {"X-A": "\u00fc"}}, "polling.headers.X-A"),
    ("very many headers", {"headers": {f"X-{n}": "a" for n in range(60)}}, "polling.headers"),
    ("a body of a GET", {"body": "a"}, "polling.body"),
    ("a huge body", {"method": "POST", "body": "a" * 70_000}, "polling.body"),
    ("a mask of nothing", {"headers": {"X-Api-Key": MASK}}, "polling.headers.X-Api-Key"),
    ("a token that is not given", {"auth": {"type": "bearer"}}, "polling.auth.token"),
    ("a token with a line break", {"auth": {"type": "bearer", "token": "a\nb"}}, "polling.auth.token"),
    (
        "signing in twice",
        {"auth": {"type": "bearer", "token": "a"}, "headers": {"authorization": "b"}},
        "polling.auth",
    ),
    ("no JMESPath", {"transform": "items[?"}, "polling.transform"),
    ("no condition", {"expect": {"expression": "nosuch(@)"}}, "polling.expect.expression"),
    ("no media type", {"expect": {"content_type": "json"}}, "polling.expect.content_type"),
]


@pytest.mark.parametrize(("title", "members", "field"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_is_named(title: str, members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        made(**members)
    assert field in [error.field for error in refused.value.errors]
