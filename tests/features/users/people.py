"""People of the tests, who sign in over HTTP."""

import os
from base64 import b32decode
from typing import Any

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from delta_server.app import Application
from delta_server.core import passwords
from delta_server.features.users import service as users
from delta_server.features.users import tokens

PASSWORD = "correct horse battery"
HASH = passwords.hashed(PASSWORD, os.urandom(passwords.SALT_BYTES))
AGENT = {"user-agent": "tests/1.0"}


async def add(app: Application, email: str, role: str = "member") -> None:
    await tokens.prepare(app.services)  # as every way to add people does
    await app.services.db.write(users.add, email=email, name="", role=role, password=HASH)


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await client.post("/v1/auth/login", json={"email": email, "password": password}, headers=AGENT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def signed_in(app: Application, client: httpx.AsyncClient, email: str, role: str = "member") -> str:
    """The access token of a new user."""
    await add(app, email, role)
    token: str = (await login(client, email))["access_token"]
    return token


def app_code(secret: str, now_ms: int) -> str:
    """Of a second factor, as an authenticator app computes it."""
    return TOTP(b32decode(secret), 6, SHA1(), 30).generate(now_ms // 1000).decode()
