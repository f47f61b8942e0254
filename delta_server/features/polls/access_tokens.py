"""Access tokens by OAuth 2.0's client credentials grant (RFC 6749, 4.4), in memory until shortly before they expire."""

import hashlib
from base64 import b64encode
from collections import OrderedDict
from urllib.parse import quote_plus, urlencode

import msgspec

from delta_server.core.polling.outcome import PollFailed
from delta_server.core.polling.settings import ClientCredentials
from delta_server.egress.client import Answer, Client, Request, RequestFailed
from delta_server.storage.database import Clock

_MOST = 1000
_BEFORE_END_MS = 30_000
_DEFAULT_S = 300
"""Where the server does not say for how long one is good."""
_LONGEST_S = 86_400
_OK = 200
_WRONG_CLIENT = (400, 401)


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = _DEFAULT_S


class _Token(msgspec.Struct, frozen=True):
    text: str
    until_ms: int


class AccessTokens:
    def __init__(self, clock: Clock, client: Client) -> None:
        self._clock = clock
        self._client = client
        self._tokens: OrderedDict[bytes, _Token] = OrderedDict()

    async def get(self, auth: ClientCredentials) -> str:
        """Raises PollFailed."""
        key = _key(auth)
        token = self._tokens.get(key)
        if token is None or token.until_ms <= self._clock.now_ms():
            token = await self._granted(auth)
            self._tokens[key] = token
            while len(self._tokens) > _MOST:
                self._tokens.popitem(last=False)
        return token.text

    def forget(self, auth: ClientCredentials) -> None:
        self._tokens.pop(_key(auth), None)

    async def _granted(self, auth: ClientCredentials) -> _Token:
        try:
            answer = await self._client.send(_request(auth, by_header=True))
            if answer.status in _WRONG_CLIENT:  # some servers read a client's secret in the body alone
                answer = await self._client.send(_request(auth, by_header=False))
        except RequestFailed as error:
            raise PollFailed("auth", f"no access token: token_url did not answer ({error.reason})") from None
        granted = _read(answer)
        seconds = min(max(granted.expires_in, 0), _LONGEST_S)
        return _Token(granted.access_token, self._clock.now_ms() + int(seconds * 1000) - _BEFORE_END_MS)


def _request(auth: ClientCredentials, *, by_header: bool) -> Request:
    form = {"grant_type": "client_credentials", "scope": auth.scope, "audience": auth.audience}
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    if by_header:
        pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}"
        headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": auth.client_id, "client_secret": auth.client_secret}
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    return Request("POST", auth.token_url, headers, body)


def _read(answer: Answer) -> _Granted:
    if answer.status != _OK:
        raise PollFailed("auth", f"no access token: token_url answered with the status {answer.status}")
    try:
        granted = msgspec.json.decode(answer.body, type=_Granted, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PollFailed("auth", "no access token: what token_url answered is none") from None
    if not granted.access_token.isascii() or not granted.access_token.isprintable():
        raise PollFailed("auth", "no access token: what token_url answered is none")
    return granted


def _key(auth: ClientCredentials) -> bytes:
    return hashlib.sha256(msgspec.json.encode(auth)).digest()
