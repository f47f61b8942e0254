"""No password, token, key, cookie or code that the tests use stands in a log, the audit log or the answer of an error.

What clients send and are given is noted as they do so, for httpx and requests alike; so is what servers log, in this
process or in one of their own. After each test (conftest.py) what was written since it began is searched for all that
its module has used.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import httpx
import requests

SHORTEST = 10
"""What is shorter may stand anywhere by chance. Codes of authenticator apps are, and are worth nothing in a minute."""
FIELDS = {
    *("password", "current_password", "new_password", "token", "access_token", "refresh_token", "mfa_token"),
    *("secret", "recovery_codes", "code", "client_secret", "id_token"),
}
"""Of bodies, whose values are secrets."""
_KEY = re.compile(r"dk_(?:proj|user)_\w{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
"""API keys and access tokens, wherever they stand. Write keys are public."""
_COOKIE = re.compile(r"(?:^|[;,] *)[\w-]+=([\w.~-]{20,})")
_MOST_BYTES = 64 << 10


class Sweep:
    def __init__(self) -> None:
        self._used: dict[str, None] = {}
        self._public: set[str] = set()
        self._written: list[tuple[str, str]] = []

    def begin_module(self) -> None:
        assert any(isinstance(each, _LogHandler) for each in logging.getLogger().handlers), "it was taken away"
        self._used.clear()

    def begin(self) -> None:
        self._written.clear()

    def leave_out(self, *texts: str) -> None:
        """What a test sends as everything, passwords too."""
        self._public.update(texts)

    def use(self, *secrets: str) -> None:
        self._used |= dict.fromkeys(text for text in secrets if len(text) >= SHORTEST and text not in self._public)

    def use_keys_in(self, text: str) -> None:
        self.use(*_KEY.findall(text))

    def write(self, where: str, text: str) -> None:
        self._written.append((where, text))

    def leaks(self) -> list[str]:
        """Where a secret stands, and its beginning. Nearly always nowhere, which one search in all texts tells."""
        everything = "\0".join(text for _, text in self._written)
        found = [secret for secret in self._used if secret in everything]
        return [
            f"{secret[:12]}... in {where}: {text[max(0, text.index(secret) - 200) :][:600]}"
            for where, text in self._written
            for secret in found
            if secret in text
        ]

    def check(self) -> None:
        found = self.leaks()
        self._written.clear()
        assert not found, "\n".join(found)

    # What notes

    def log_line(self, _: object, __: str, line: Any) -> Any:
        """The last of structlog's processors."""
        self.write("a log", str(line))
        return line

    def exchange(self, sent: "Sent", status: int, headers: Mapping[str, str], answer: str) -> None:
        """A request and its whole answer."""
        for value in (sent.headers.get("authorization", ""), sent.headers.get("x-api-key", "")):
            self.use_keys_in(value)
        for name, given in (("cookie", sent.headers), ("set-cookie", headers)):
            self.use(*_COOKIE.findall(given.get(name, "")))
        self.use(*_secrets_in(sent.body))
        if status < 400:
            self.use_keys_in(answer)
            self.use(*_secrets_in(answer))
        else:
            self.write(f"the answer {status} to {sent.named}", answer)


class Sent:
    """What was sent, as far as it matters here."""

    def __init__(self, named: str, headers: Mapping[str, Any], body: object) -> None:
        self.named = named
        self.headers = {name.lower(): str(value) for name, value in headers.items()}
        self.body = body.decode(errors="replace") if isinstance(body, bytes) else body if isinstance(body, str) else ""


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        SWEEP.write("a log", logging.Formatter().format(record))


SWEEP = Sweep()


def install() -> None:
    """From now on clients and the standard library's log are listened to."""
    logging.getLogger().addHandler(_LogHandler())
    httpx.AsyncClient.send = _awaited(httpx.AsyncClient.send)  # type: ignore[method-assign]  # there is no hook for every client
    httpx.Client.send = _called(httpx.Client.send, _of_httpx)  # type: ignore[method-assign]  # as above
    requests.Session.send = _called(requests.Session.send, _of_requests)  # type: ignore[method-assign]  # as above


def _awaited(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    async def noted(client: Any, request: Any, **options: Any) -> Any:
        answer = await send(client, request, **options)
        _of_httpx(request, answer, options)
        return answer

    return noted


def _called(send: Callable[..., Any], note: Callable[[Any, Any, dict[str, Any]], None]) -> Callable[..., Any]:
    @wraps(send)
    def noted(client: Any, request: Any, **options: Any) -> Any:
        answer = send(client, request, **options)
        note(request, answer, options)
        return answer

    return noted


def _of_httpx(request: httpx.Request, answer: httpx.Response, options: dict[str, Any]) -> None:
    if options.get("stream") and not answer.is_stream_consumed:
        return
    body = request.content if isinstance(request.stream, httpx.ByteStream) else b""
    sent = Sent(f"{request.method} {request.url}", request.headers, body)
    SWEEP.exchange(sent, answer.status_code, answer.headers, _text(answer.content))


def _of_requests(request: requests.PreparedRequest, answer: requests.Response, options: dict[str, Any]) -> None:
    if not options.get("stream"):
        sent = Sent(f"{request.method} {request.url}", dict(request.headers), request.body)
        SWEEP.exchange(sent, answer.status_code, answer.headers, _text(answer.content))


def _text(body: bytes) -> str:
    return body.decode(errors="replace") if len(body) <= _MOST_BYTES else ""


def _secrets_in(body: str) -> Iterator[str]:
    if not body.startswith("{") or len(body) > _MOST_BYTES:
        return
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return
    for name, value in found.items():
        if name in FIELDS:
            yield from [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
