"""What people are mailed, by the whole server and a small mail server."""

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Auth, Config, Server
from delta_server.core.rates import Rate
from delta_server.features.invitations import tasks as invitations
from delta_server.features.mails import service as mails
from delta_server.features.registrations import service as registrations
from delta_server.features.registrations import tasks
from delta_server.features.users import forgotten
from delta_server.features.users import service as users
from delta_server.storage import jobs
from delta_server.storage.mail.options import Smtp
from delta_server.tasks.jobs import run_due
from tests.conftest import Keys, bearer
from tests.features.users.people import PASSWORD, add, login
from tests.smtp_server import MailServer, running
from tests.storage.opened import FakeClock

REGISTER, CONFIRM = "/v1/auth/register", "/v1/auth/confirm-email"
FORGOT, RESET = "/v1/auth/forgot-password", "/v1/auth/reset-password"
BO = "bo@example.com"
NEW = {"email": BO, "password": PASSWORD, "name": "Bo"}
OTHER_PASSWORD = "staple horse battery"
HOUR_MS = 3_600_000


@pytest.fixture
async def mailbox() -> AsyncIterator[MailServer]:
    async with running(MailServer(logins={"delta": PASSWORD})) as server:
        yield server


@pytest.fixture
def config(config: Config, mailbox: MailServer) -> Config:
    smtp = Smtp(
        host="127.0.0.1",
        port=mailbox.port,
        tls="none",
        username="delta",
        password=PASSWORD,
        from_address="delta@example.com",
    )
    server = Server(public_url="https://delta.example.com/base/")
    return msgspec.structs.replace(config, smtp=smtp, server=server, auth=Auth(registration="open"))


async def post(client: httpx.AsyncClient, path: str, body: Any, status: int, **headers: str) -> Any:
    answer = await client.post(path, json=body, headers={"host": "evil.example", **headers})
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def done(app: Application) -> None:
    """All mails that are due are sent: by the loops or by this."""
    for kind in (tasks.JOB, forgotten.JOB, invitations.JOB):
        await run_due(app.services, kind)
    while "running" in await _states(app):  # those that a loop has begun
        pass


async def test_an_invitation_is_mailed_and_accepted(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, "ada@example.com", "owner")
    ada = (await login(client, "ada@example.com"))["access_token"]
    body = {"email": "Bo@Example.com", "role": "editor"}
    made = await post(client, "/v1/projects/mine/invitations", body, 201, **bearer(ada))
    assert made["mailed"]
    [mail] = await mailbox.received(1)
    assert mail.recipients == [BO]
    assert mail.message["Subject"] == "An invitation to Delta at https://delta.example.com/base/"
    assert 'ada@example.com invites you to the project "mine"' in mail.text
    assert made["link"] in mail.text
    assert made["link"] == f"https://delta.example.com/base/link#invitation={made['token']}", "never of the Host"
    accepted = await post(client, "/v1/invitations/accept", {"token": mail.token, "password": PASSWORD}, 200)
    assert accepted["role"] == "editor"


async def test_a_members_invitation_is_known_to_who_reads_its_mail_only(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, "ada@example.com", "owner")
    await add(app, "eve@example.com")
    eve = (await login(client, "eve@example.com"))["access_token"]
    await post(client, "/v1/projects", {"name": "eve's"}, 201, **bearer(eve))
    path = "/v1/projects/eve's/invitations"
    for _ in range(5):
        made = await post(client, path, {"email": BO}, 201, **bearer(eve))
        assert (made["mailed"], made["token"], made["link"]) == (True, None, None)
    refused = await post(client, path, {"email": BO}, 429, **bearer(eve))
    assert "di_" not in str(refused), "no more than a mail says when there are too many"
    made = await post(client, "/v1/projects/mine/invitations", {"email": "cy@example.com"}, 201, **bearer(keys.project))
    assert (made["mailed"], made["token"], made["link"]) == (True, None, None)
    named = bearer(keys.account) | {"x-tenant-id": "mine"}
    made = await post(client, "/v1/projects/mine/invitations", {"email": "di@example.com"}, 201, **named)
    assert made["token"], "an account's key vouches for the address"
    await mailbox.heard("QUIT")


async def test_a_member_or_a_projects_keys_mail_few_invitations_an_hour(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where registration is open they may be anybody."""
    monkeypatch.setattr(mails, "FROM_CLIENT", Rate(2))
    await add(app, "ada@example.com", "owner")
    await add(app, BO)
    ada, bo = [(await login(client, email))["access_token"] for email in ("ada@example.com", BO)]
    await post(client, "/v1/projects", {"name": "bo's"}, 201, **bearer(bo))

    async def statuses(key: str, project: str) -> list[int]:
        path = f"/v1/projects/{project}/invitations"
        bodies = [{"email": f"{number}@example.com"} for number in range(4)]
        return [(await client.post(path, json=body, headers=bearer(key))).status_code for body in bodies]

    assert await statuses(bo, "bo's") == [201, 201, 429, 429]
    assert await statuses(keys.project, "mine") == [201, 201, 429, 429]
    assert (await statuses(ada, "mine")) == [201] * 4


async def test_an_invitation_that_was_revoked_is_not_mailed(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, clock: FakeClock
) -> None:
    mailbox.answers = {"MAIL": ["451 later"]}
    made = await post(client, "/v1/invitations", {"email": BO}, 201, **bearer(keys.account))
    await mailbox.heard("MAIL")
    path = f"/v1/invitations/{made['invitation']['id']}"
    assert (await client.delete(path, headers=bearer(keys.account))).status_code == 204
    while (await _states(app))[-1] == "running":
        pass
    clock.advance(60_000)
    await done(app)
    assert await _states(app) == ["done"]
    assert mailbox.mails == []


async def _states(app: Application) -> list[str]:
    found = await app.services.db.read(lambda tx: tx.all("SELECT state FROM job ORDER BY id"))
    return [row[0] for row in found]


async def test_an_address_is_confirmed_before_there_is_an_account(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, "ada@example.com", "owner")
    assert await post(client, REGISTER, NEW, 202) == {"email": BO, "confirmation": True}
    await post(client, "/v1/auth/login", {"email": BO, "password": PASSWORD}, 401)
    [mail] = await mailbox.received(1)
    assert "https://delta.example.com/base/link#confirm=dc_" in mail.text
    assert "Bo" not in mail.text.replace(BO, ""), "nothing that a stranger typed"
    refused = await post(client, CONFIRM, {"token": mail.token, "password": OTHER_PASSWORD}, 401)
    assert "not the password that was chosen" in refused["message"]
    await post(client, CONFIRM, {"token": "dc_" + "0" * 64, "password": PASSWORD}, 403)
    await post(client, CONFIRM, {"token": mail.token}, 400)
    assert await post(client, CONFIRM, {"token": mail.token, "password": PASSWORD}, 200) == {"email": BO}
    await post(client, CONFIRM, {"token": mail.token, "password": PASSWORD}, 403)
    assert (await login(client, BO))["user"]["name"] == "Bo"


async def test_who_is_mailed_a_strangers_registration_keeps_the_address(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, "ada@example.com", "owner")
    await post(client, REGISTER, {**NEW, "password": OTHER_PASSWORD}, 202)
    await mailbox.received(1)  # two mails on their way may overtake each other
    await post(client, REGISTER, NEW, 202)
    strangers, own = await mailbox.received(2)
    await post(client, CONFIRM, {"token": strangers.token, "password": PASSWORD}, 401)
    await post(client, CONFIRM, {"token": own.token, "password": PASSWORD}, 200)
    await post(client, CONFIRM, {"token": strangers.token, "password": OTHER_PASSWORD}, 403)
    await login(client, BO)


async def test_an_address_that_is_taken_is_answered_alike_and_its_owner_is_mailed(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, BO, "owner")
    assert await post(client, REGISTER, {**NEW, "password": OTHER_PASSWORD}, 202) == {"email": BO, "confirmation": True}
    [mail] = await mailbox.received(1)
    assert mail.message["Subject"] == "You have an account for Delta at https://delta.example.com/base/"
    assert "/link#" not in mail.text
    await login(client, BO)
    rows = (await client.get("/v1/audit?action=user.register_again", headers=bearer(keys.account))).json()["data"]
    assert len(rows) == 1


async def test_registrations_that_nobody_confirmed_go(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, clock: FakeClock
) -> None:
    await add(app, "ada@example.com", "owner")
    await post(client, REGISTER, NEW, 202)
    [mail] = await mailbox.received(1)
    clock.advance(registrations.LASTS_MS)
    await post(client, CONFIRM, {"token": mail.token, "password": PASSWORD}, 403)
    await tasks.sweep(app.services)
    [[left]] = await app.services.db.read(lambda tx: tx.all("SELECT count(*) FROM registration"))
    assert left == 0


async def test_a_forgotten_password_is_set_by_the_mailed_link(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, clock: FakeClock
) -> None:
    await add(app, BO)
    before = await login(client, BO)
    await post(client, FORGOT, {"email": "BO@example.com"}, 202)
    [mail] = await mailbox.received(1)
    assert "https://delta.example.com/base/link#reset=" in mail.text
    await post(client, RESET, {"token": mail.token, "new_password": "short"}, 400)
    await post(client, RESET, {"token": mail.token, "new_password": OTHER_PASSWORD}, 204)
    await post(client, RESET, {"token": mail.token, "new_password": PASSWORD}, 403)
    await login(client, BO, OTHER_PASSWORD)
    assert (await client.get("/v1/auth/me", headers=bearer(before["access_token"]))).status_code == 401
    clock.advance(HOUR_MS)
    await post(client, FORGOT, {"email": BO}, 202)
    mail = (await mailbox.received(2))[1]
    clock.advance(forgotten.LASTS_MS)
    await post(client, RESET, {"token": mail.token, "new_password": PASSWORD}, 403)


async def test_who_has_no_password_is_mailed_no_link_to_set_one(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    """They come by the identity provider or the proxy, which may let them in no more."""
    await app.services.db.write(partial(users.add, email=BO, name="Bo", role="member", password=None))
    await add(app, "ada@example.com")
    await post(client, FORGOT, {"email": BO}, 202)
    await done(app)
    await post(client, FORGOT, {"email": "ada@example.com"}, 202)
    [mail] = await mailbox.received(1)
    assert mail.recipients == ["ada@example.com"]


async def test_another_password_ends_links_that_were_mailed(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    await add(app, BO)
    token = (await login(client, BO))["access_token"]
    await post(client, FORGOT, {"email": BO}, 202)
    [mail] = await mailbox.received(1)
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    await post(client, "/v1/auth/change-password", body, 204, **bearer(token))
    await post(client, RESET, {"token": mail.token, "new_password": PASSWORD}, 403)


async def test_forgetting_is_answered_alike_and_does_the_same(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    """For one with an account, one without and one that is disabled: a row each, and a mail for the first."""
    await add(app, BO)
    await add(app, "gone@example.com")
    await app.services.db.write(lambda tx: users.disable(tx, users.named(tx, "gone@example.com")))
    emails = (BO, "nobody@example.com", "gone@example.com")
    answers = [await post(client, FORGOT, {"email": email}, 202) for email in emails]
    assert answers[0] == answers[1] == answers[2]
    await mailbox.received(1)
    await done(app)
    while set(await _states(app)) != {"done"}:
        pass
    assert len(await _states(app)) == 3
    assert [mail.recipients for mail in mailbox.mails] == [[BO]]
    await post(client, FORGOT, {"email": "bo@example.com\r\nBcc: eve@b.example"}, 400)
    await post(client, FORGOT, {"email": "bo"}, 400)


async def test_mails_to_an_address_are_limited_whoever_asks(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, clock: FakeClock
) -> None:
    await add(app, BO)
    for number in range(mails.TO_ADDRESS.limit + 3):
        await post(client, FORGOT, {"email": BO}, 202)
        await mailbox.received(min(number + 1, mails.TO_ADDRESS.limit))
    await post(client, REGISTER, {**NEW, "email": BO}, 202)
    invited = await post(client, "/v1/invitations", {"email": BO}, 201, **bearer(keys.account))
    assert not invited["mailed"]
    await done(app)
    assert len(mailbox.mails) == mails.TO_ADDRESS.limit
    clock.advance(HOUR_MS)
    await post(client, FORGOT, {"email": BO}, 202)
    await mailbox.received(mails.TO_ADDRESS.limit + 1)


async def test_mails_are_limited_by_who_asks(app: Application, client: httpx.AsyncClient, keys: Keys) -> None:
    await add(app, "ada@example.com", "owner")
    for number in range(mails.FROM_CLIENT.limit):
        await post(client, FORGOT, {"email": f"bo{number}@example.com"}, 202)
    for path, body in ((FORGOT, {"email": "new@example.com"}), (REGISTER, NEW)):
        answer = await client.post(path, json=body)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 30


async def test_a_mail_waits_for_the_mail_server(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, clock: FakeClock
) -> None:
    mailbox.answers = {"MAIL": ["451 later"], "RCPT": ["452 full"]}
    made = await post(client, "/v1/invitations", {"email": BO}, 201, **bearer(keys.account))
    for verb in ("MAIL", "RCPT"):
        await mailbox.heard(verb)
        while (await _states(app)) != ["failed"]:
            pass
        clock.advance(100_000)
        await done(app)
    [mail] = await mailbox.received(1)
    assert mail.token == made["token"], "it is the same link"


async def test_a_mail_that_is_refused_for_good_is_given_up(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    mailbox.answers = {"RCPT": ["550 no such user"]}
    await post(client, "/v1/invitations", {"email": BO}, 201, **bearer(keys.account))
    await mailbox.heard("RCPT")
    while await _states(app) != ["done"]:
        pass
    await done(app)
    assert mailbox.mails == []


async def test_no_token_and_no_password_is_stored_or_logged(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await add(app, "ada@example.com", "owner")
    mailbox.answers = {"MAIL": ["451 later"]}
    await post(client, REGISTER, NEW, 202)
    await mailbox.heard("MAIL")
    await post(client, FORGOT, {"email": "ada@example.com"}, 202)
    await post(client, "/v1/invitations", {"email": "eve@example.com"}, 201, **bearer(keys.account))
    sent = await mailbox.received(2)

    def everything(tx: Any) -> str:
        names = [row[0] for row in tx.all("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return str([tx.all(f"SELECT * FROM {name}") for name in names])

    stored = await app.services.db.read(everything)
    captured = capsys.readouterr()
    logged = captured.out + captured.err
    assert "job failed" in logged
    for secret in (PASSWORD, *(mail.token for mail in sent)):
        assert secret not in stored
        assert secret not in logged
    assert re.search(r"d[ci]_[0-9a-f]{64}", stored + logged) is None


async def test_what_a_server_left_unsent_its_successor_sends(
    app: Application, client: httpx.AsyncClient, keys: Keys, mailbox: MailServer
) -> None:
    """As after a crash between the answer and the mail: the job is in the transaction of its cause."""
    await add(app, BO)
    arguments = msgspec.json.encode(forgotten.MailArguments(BO)).decode()
    await app.services.db.write(jobs.enqueue, jobs.NO_PROJECT, forgotten.JOB.name, arguments)
    await done(app)
    await mailbox.received(1)


async def test_without_a_mail_server_nothing_is_stored(
    app: Application, client: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "are_sent", lambda _: False)
    await add(app, BO)
    answers = [await post(client, FORGOT, {"email": email}, 202) for email in (BO, "nobody@example.com")]
    assert answers[0] == answers[1]
    assert answers[0]["mailed"] is False
    assert "delta-server user reset-link" in answers[0]["message"]
    assert await _states(app) == []
