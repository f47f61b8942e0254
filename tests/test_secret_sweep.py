"""Each place where a secret must not stand is looked at: one that leaks it is found."""

import logging
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog

from delta_server.app import Application
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, note_audit_log
from tests.features.users.people import PASSWORD, add, login
from tests.secret_sweep import SWEEP


@pytest.fixture(autouse=True)
def leaks() -> Iterator[None]:
    """What leaks here on purpose is nobody else's to find."""
    yield
    SWEEP.begin()
    SWEEP.begin_module()


@pytest.mark.parametrize(
    "log",
    [
        lambda secret: structlog.get_logger("delta.http").info("request", target=f"/v1?key={secret}"),
        lambda secret: logging.getLogger("uvicorn.error").warning("bad header %r", secret),
    ],
    ids=["structlog", "logging"],
)
async def test_a_log_line_that_leaks_a_key(client: httpx.AsyncClient, keys: Keys, log: Callable[[str], None]) -> None:
    assert (await client.get("/v1/projects", headers=bearer(keys.read))).status_code == 200
    assert SWEEP.leaks() == []
    log(keys.read)
    assert len(SWEEP.leaks()) == 1
    with pytest.raises(AssertionError, match=keys.read[:12]):
        SWEEP.check()


async def test_an_error_answer_that_leaks_a_password(app: Application, client: httpx.AsyncClient) -> None:
    await add(app, "ada@example.com")
    await login(client, "ada@example.com")
    assert SWEEP.leaks() == []
    echo = httpx.MockTransport(lambda request: httpx.Response(400, json={"message": request.content.decode()}))
    async with httpx.AsyncClient(transport=echo) as careless:
        await careless.post("http://delta.test/", json={"name": PASSWORD})
    assert len(SWEEP.leaks()) == 1


@pytest.mark.parametrize("kind", ["access_token", "refresh_token", "cookie"])
async def test_an_audit_entry_that_leaks_a_token(app: Application, client: httpx.AsyncClient, kind: str) -> None:
    await add(app, "ada@example.com")
    body = {"email": "ada@example.com", "password": PASSWORD, "cookie": kind == "cookie"}
    answer = await client.post("/v1/auth/login", json=body)
    secret = next(iter(answer.cookies.values())) if kind == "cookie" else answer.json()[kind]

    def record(tx: Tx) -> None:
        audit.record(tx, accounts.default_account(tx), "command.run", target="x", detail={"with": secret})

    note_audit_log(app)
    assert SWEEP.leaks() == []
    await app.services.db.write(record)
    note_audit_log(app)
    assert len(SWEEP.leaks()) == 1
