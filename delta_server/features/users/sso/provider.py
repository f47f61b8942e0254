"""The identity provider: what it says of itself, its keys, and what it gives for a code (OpenID Connect Discovery 1.0,
RFC 6749 4.1.3 and RFC 7636).

All of it is fetched through the guarded client, kept for an hour, and fetched by one at a time. A key that is not among
those that are kept may be a new one: then they are fetched again, but not for each wrong token.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import structlog

from delta_server.config.sign_in import Oidc, is_this_machine
from delta_server.core import destinations, id_tokens, oauth_errors
from delta_server.core.errors import ExternalFailed, Unauthorized, Unavailable
from delta_server.core.id_tokens import BadIdToken, Expected, UnknownKey
from delta_server.egress.client import Answer, Client, RequestFailed
from delta_server.services import Services
from delta_server.storage.database import Clock

T = TypeVar("T")
_KEPT_MS = 3_600_000
_AGAIN_MS = 30_000
"""After how long keys are fetched again for one that is not known."""
_FAILED_MS = 5_000
"""For how long who did not answer is not asked again."""
_AT_ONCE = 50
_OF_ADDRESS = ("email", "email_verified")

log = structlog.get_logger("delta.sso")


class Document(msgspec.Struct, frozen=True):
    """Of ISSUER/.well-known/openid-configuration."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Granted(msgspec.Struct, frozen=True):
    """What the provider gives for a code."""

    id_token: str
    access_token: str | None = None


class Kept(Generic[T]):
    """What `fetch` gave last, while it is new enough. Where it cannot be fetched again the old one stays."""

    def __init__(self, clock: Clock, fetch: Callable[[], Awaitable[T]]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._fetched_ms = self._failed_ms = -1 << 62

    async def get(self, *, newer_than_ms: int = _KEPT_MS) -> T:
        """Raises ExternalFailed."""
        async with self._lock:
            now_ms = self._clock.now_ms()
            if self._value is not None and 0 <= now_ms - self._fetched_ms < newer_than_ms:
                return self._value
            if 0 <= now_ms - self._failed_ms < _FAILED_MS:
                return self._old(ExternalFailed("the identity provider did not answer: try again in a moment"))
            try:
                self._value, self._fetched_ms = await self._fetch(), now_ms
            except ExternalFailed as error:
                self._failed_ms = now_ms
                return self._old(error)
            return self._value

    def _old(self, error: ExternalFailed) -> T:
        if self._value is None:
            raise error
        return self._value


class Provider:
    """Of one server; made when somebody first signs in so."""

    def __init__(self, svc: Services, client: Client) -> None:
        self._options: Oidc = svc.config.auth.oidc
        self._clock = svc.clock
        self._client = client
        self._under_way = 0
        self._document: Kept[Document] = Kept(svc.clock, self._fetch_document)
        self._keys: Kept[list[dict[str, Any]]] = Kept(svc.clock, self._fetch_keys)

    @classmethod
    def of(cls, svc: Services) -> "Provider":
        return svc.state(cls, lambda: cls(svc, Client(svc.config.egress)))

    async def document(self) -> Document:
        """Raises ExternalFailed."""
        return await self._document.get()

    async def claims(self, code: str, verifier: str, *, redirect_uri: str, nonce: str) -> dict[str, Any]:
        """Who signed in, by the code that the browser brought. Raises Unauthorized for one that is not good, and for
        what the provider must not say, ExternalFailed, and Unavailable when too many sign in at once."""
        if self._under_way >= _AT_ONCE:
            raise Unavailable("too many people are signing in: try again in a moment", retry_after_s=5)
        self._under_way += 1
        try:
            document = await self.document()
            granted = await self._grant(document, code, verifier, redirect_uri)
            expected = Expected(self._options.issuer, self._options.client_id, nonce, granted.access_token)
            claims = await self._verified(granted.id_token, expected)
            return await self._with_more(document, granted, claims)
        finally:
            self._under_way -= 1

    async def _grant(self, document: Document, code: str, verifier: str, redirect_uri: str) -> _Granted:
        """Raises Unauthorized, ExternalFailed."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": verifier, "client_id": self._options.client_id}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        secret = self._options.client_secret
        if secret and "client_secret_basic" in document.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._options.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif secret:
            form["client_secret"] = secret
        url, body = document.token_endpoint, urlencode(form).encode()
        answer = await self._asked(lambda: self._client.post(url, headers, body), url)
        if answer.status in (400, 401, 403):
            log.warning("the identity provider gave nothing for a code", status=answer.status, error=_error(answer))
            raise Unauthorized("the identity provider does not know this login: begin again at /v1/auth/oidc/login")
        return _decoded(answer, url, _Granted)

    async def _verified(self, text: str, expected: Expected) -> dict[str, Any]:
        """Raises Unauthorized, ExternalFailed."""
        now_s = self._clock.now_ms() // 1000
        try:
            try:
                return await asyncio.to_thread(id_tokens.read, text, await self._keys.get(), expected, now_s=now_s)
            except UnknownKey:
                keys = await self._keys.get(newer_than_ms=_AGAIN_MS)
                return await asyncio.to_thread(id_tokens.read, text, keys, expected, now_s=now_s)
        except BadIdToken as error:
            log.warning("an ID token was refused", reason=str(error))
            raise Unauthorized(f"the identity provider's ID token is not accepted: {error}") from None

    async def _with_more(self, document: Document, granted: _Granted, claims: dict[str, Any]) -> dict[str, Any]:
        """Some providers tell the address and the groups at their userinfo endpoint only."""
        wanted = set(_OF_ADDRESS) | ({self._options.groups_claim} if _by_groups(self._options) else set())
        url = document.userinfo_endpoint
        if wanted <= claims.keys() or url is None or granted.access_token is None:
            return claims
        headers = {"authorization": f"Bearer {granted.access_token}", "accept": "application/json"}
        answer = await self._asked(lambda: self._client.get(url, headers), url)
        more = _decoded(answer, url, dict[str, Any])
        if more.get("sub") != claims["sub"]:
            raise Unauthorized("the identity provider says two things about who signed in")
        return _joined(claims, more)

    async def _fetch_document(self) -> Document:
        issuer = self._options.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        document = _decoded(await self._asked(lambda: self._client.get(url), url), url, Document)
        if document.issuer != issuer:
            log.error("the identity provider has another name", auth_oidc_issuer=issuer, issuer=document.issuer)
            raise ExternalFailed("the identity provider calls itself otherwise than auth.oidc.issuer")
        ends = [document.authorization_endpoint, document.token_endpoint, document.jwks_uri, document.userinfo_endpoint]
        if not all(_is_safe(end) for end in ends if end is not None):
            raise ExternalFailed("the identity provider names an address that is not one of https")
        return document

    async def _fetch_keys(self) -> list[dict[str, Any]]:
        url = (await self.document()).jwks_uri
        return _decoded(await self._asked(lambda: self._client.get(url), url), url, _Keys).keys

    async def _asked(self, ask: Callable[[], Awaitable[Answer]], url: str) -> Answer:
        """Raises ExternalFailed; the answer says no more than the kind of failure, the log has the rest."""
        try:
            return await ask()
        except RequestFailed as error:
            log.warning("the identity provider did not answer", url=url, reason=error.reason, error=str(error))
            raise ExternalFailed(f"the identity provider did not answer ({error.reason}): try again later") from None


def _joined(claims: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """What the token says counts more. An address goes with what is said of it at the same place."""
    is_from_more = "email" in more and not claims.keys() >= set(_OF_ADDRESS)
    dropped = claims if is_from_more else more
    kept = {name: value for name, value in dropped.items() if name not in _OF_ADDRESS}
    return {**more, **kept} if is_from_more else {**kept, **claims}


def _by_groups(options: Oidc) -> bool:
    return bool(options.owner_groups or options.admin_groups or options.member_groups)


def _is_safe(url: str) -> bool:
    parsed = destinations.parse(url)
    return parsed is not None and (parsed.scheme == "https" or is_this_machine(parsed))


def _decoded(answer: Answer, url: str, kind: type[T]) -> T:
    """Raises ExternalFailed."""
    if answer.status != 200:
        log.warning("the identity provider refused", url=url, status=answer.status)
        raise ExternalFailed(f"the identity provider answered {answer.status}: try again later")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        log.warning("the identity provider's answer cannot be read", url=url)
        raise ExternalFailed("the identity provider's answer cannot be read") from None


class _Refusal(msgspec.Struct, frozen=True):
    error: str


def _error(answer: Answer) -> str:
    """The code that RFC 6749 5.2 has for it; nothing else of the answer."""
    try:
        return oauth_errors.plain(msgspec.json.decode(answer.body, type=_Refusal).error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return oauth_errors.UNKNOWN
