"""A small OpenID provider on a socket of its own, on joserfc, as real ones behave; and as they must not, when told to.

Who is at the browser is `person`; `change` alters the claims of the ID token before it is signed, `sign` how it is.
"""

import asyncio
import base64
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.storage.opened import FakeClock

CLIENT, SECRET = "delta", "s3cret/with:odd signs"
ADA = {"sub": "ada-1", "email": "Ada@Example.com", "email_verified": True, "name": "Ada"}
Reply = tuple[int, dict[str, str], bytes]


@cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class IdentityProvider:
    def __init__(self, port: int, clock: FakeClock) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.person: dict[str, Any] = dict(ADA)
        self.userinfo: dict[str, Any] | None = None
        self.key: RSAKey | ECKey
        self.published: list[Any]
        self.rotate(_first_key())
        self.change: Callable[[dict[str, Any]], Any] = lambda claims: None
        self.sign: Callable[[dict[str, Any]], str] = self._signed
        self.document: dict[str, Any] = {}
        """What its document says otherwise."""
        self.instead: dict[str, Reply | float] = {}
        """By path, what is answered instead, or how long it takes."""
        self.redirect_uri = ""
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def rotate(self, key: RSAKey | ECKey) -> None:
        self.key = key
        self.published = [key.as_dict(private=False)]

    def _signed(self, claims: dict[str, Any]) -> str:
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        header = {"alg": algorithm} | ({"kid": self.key.kid} if self.key.kid else {})
        return jws.serialize_compact(header, json.dumps(claims), self.key, algorithms=[algorithm])

    def unsigned(self, claims: dict[str, Any]) -> str:
        parts = [{"alg": "none"}, claims]
        return ".".join([*(_base64(json.dumps(part).encode()) for part in parts), ""])

    def with_secret(self, secret: bytes) -> Callable[[dict[str, Any]], str]:
        """HS256 by what others know too; the library refuses to."""

        def sign(claims: dict[str, Any]) -> str:
            parts = [{"alg": "HS256", "kid": "first"}, claims]
            said = ".".join(_base64(json.dumps(part).encode()) for part in parts)
            return f"{said}.{_base64(hmac.digest(secret, said.encode(), 'sha256'))}"

        return sign

    # Over HTTP

    async def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path, _, query = target.partition("?")
        self.asked.append(path)
        instead = self.instead.get(path)
        if isinstance(instead, tuple):
            return instead
        if instead is not None:
            await asyncio.sleep(instead)
        form = {name: values[0] for name, values in parse_qs(query or body.decode()).items()}
        if path == "/.well-known/openid-configuration":
            return _json(self._document())
        if path == "/jwks":
            return _json({"keys": self.published})
        if path == "/authorize" and method == "GET":
            return self._authorize(form)
        if path == "/token" and method == "POST":
            return self._token(form, headers)
        if path == "/userinfo" and headers.get("authorization", "").startswith("Bearer at-"):
            return _json(self.userinfo or {"sub": self.person["sub"]})
        return 404, {}, b""

    def _document(self) -> dict[str, Any]:
        ends = {
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        return {"issuer": self.url, **ends, "code_challenge_methods_supported": ["S256"]} | self.document

    def _authorize(self, form: dict[str, str]) -> Reply:
        assert form["response_type"] == "code"
        assert form["client_id"] == CLIENT
        assert form["redirect_uri"] == self.redirect_uri
        assert "openid" in form["scope"].split()
        assert form["code_challenge_method"] == "S256"
        assert form["tenant"] == "1"
        assert min(len(form["state"]), len(form["nonce"]), len(form["code_challenge"])) >= 43
        code = f"code-{len(self._codes)}"
        self._codes[code] = form
        query = {"code": code, "state": form["state"], "iss": self.url, "session_state": "x"}
        return 302, {"location": f"{form['redirect_uri']}?{urlencode(query)}"}, b""

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> Reply:
        scheme, _, pair = headers.get("authorization", "").partition(" ")
        user, _, word = base64.b64decode(pair).decode().partition(":")
        if (scheme, unquote(user), unquote(word)) != ("Basic", CLIENT, SECRET):
            return _json({"error": "invalid_client"}, 401)
        begun = self._codes.pop(form.get("code", ""), None)
        challenge = _base64(sha256(form.get("code_verifier", "").encode()).digest())
        if begun is None or begun["code_challenge"] != challenge or form.get("redirect_uri") != begun["redirect_uri"]:
            return _json({"error": "invalid_grant", "error_description": "the code is wrong"}, 400)
        access_token = "at-1234567890"
        now = self.clock.now_ms() // 1000
        claims = {**self.person, "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims["at_hash"] = _base64(sha256(access_token.encode()).digest()[:16])
        self.change(claims)
        return _json({"access_token": access_token, "token_type": "Bearer", "id_token": self.sign(claims)})


def _json(value: Any, status: int = 200) -> Reply:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@asynccontextmanager
async def running(idp: IdentityProvider) -> AsyncIterator[IdentityProvider]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head[1:] if line}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, said, content = await idp.answer(method, target, headers, body)
            said = {"content-length": str(len(content)), "connection": "close"} | said
            lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in said.items())]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + content)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", urlsplit(idp.url).port)
    try:
        yield idp
    finally:
        server.close()
