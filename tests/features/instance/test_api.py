"""The instance as its owner sees it: nobody else does, and no secret is in it."""

from pathlib import Path

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.config.sections import Config
from delta_server.config.values import OPTIONS
from delta_server.features.instance import service
from tests.conftest import Keys, bearer, built, client_of, make_keys, started
from tests.features.rows import Row, check
from tests.features.users import people
from tests.storage.opened import FakeClock

REFUSED = [
    Row("no key", "GET", "/v1/instance", 401, key=None),
    Row("a project's key", "GET", "/v1/instance", 403),
    Row("a write key", "GET", "/v1/instance", 403, key="ingest"),
]
SECRET = "5d1c-very-secret"


async def test_refusals(client: httpx.AsyncClient, keys: Keys) -> None:
    for row in REFUSED:
        await check(client, keys, row)


async def test_an_account_s_key_without_the_scope(client: httpx.AsyncClient, keys: Keys) -> None:
    made = await client.post(
        "/v1/auth/api-keys", json={"name": "watch", "scopes": ["metrics:read"]}, headers=bearer(keys.account)
    )
    answer = await client.get("/v1/instance", headers=bearer(made.json()["key"]))
    assert (answer.status_code, "instance:admin" in answer.json()["message"]) == (403, True)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("member", 403)])
async def test_people_by_their_role(app: Application, client: httpx.AsyncClient, role: str, status: int) -> None:
    token = await people.signed_in(app, client, f"{role}@example.org", role)
    assert (await client.get("/v1/instance", headers=bearer(token))).status_code == status


async def test_what_it_tells(config: Config, clock: FakeClock) -> None:
    smtp = msgspec.structs.replace(config.smtp, password=SECRET)
    server = msgspec.structs.replace(config.server, port=9123)
    async with started(built(msgspec.structs.replace(config, smtp=smtp, server=server), clock)) as app:
        keys = await make_keys(app.services, clock)
        async with client_of(app) as client:
            answer = await client.get("/v1/instance", headers=bearer(keys.account))
    found = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert found["data_directory"] == str(config.storage.data_dir)
    parts = {part["name"]: part["bytes"] for part in found["parts"]}
    assert tuple(parts) == service.PARTS
    assert parts["database"] > 0
    assert found["data_bytes"] == sum(parts.values())
    assert found["cold"] is None
    assert found["health"]["status"] in ("healthy", "degraded")
    assert {loop["name"] for loop in found["health"]["loops"]} >= {"compute deltas", "trim the outbox"}
    told = {value["name"]: value for value in found["config"]}
    assert told.keys() >= OPTIONS.keys()
    assert told["server.port"] == {"name": "server.port", "value": "9123", "is_default": False, "is_secret": False}
    assert told["smtp.password"] == {
        "name": "smtp.password", "value": '"***"', "is_default": False, "is_secret": True,
    }  # fmt: skip
    assert told["limits.document_bytes"]["is_default"]
    assert SECRET not in answer.text


def test_secrets_show_neither_themselves_nor_their_length(config: Config) -> None:
    """Of each option that is one."""
    secret = [option.name for option in OPTIONS.values() if option.secret]
    assert secret
    for name in secret:
        section, _, field = name.rpartition(".")
        shown = set()
        for value in ("x", "y" * 100):
            changed = _with(config, section.split("."), field, value)
            [text] = [text for option, text, _, _ in service.config_in_force(changed) if option == name]
            shown.add(text)
        assert shown == {'"***"'}, name


def _with(struct: msgspec.Struct, sections: list[str], field: str, value: str) -> Config:
    if not sections:
        return msgspec.structs.replace(struct, **{field: value})  # type: ignore[return-value]  # replace loses the type of what it is given
    inner = _with(getattr(struct, sections[0]), sections[1:], field, value)
    return msgspec.structs.replace(struct, **{sections[0]: inner})  # type: ignore[return-value]  # as above


def test_what_is_not_there_occupies_nothing(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "one").write_bytes(b"12345")
    (tmp_path / "delta.db").write_bytes(b"123")
    (tmp_path / "notes.txt").write_bytes(b"1")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    sizes = service._sizes(tmp_path)
    assert (sizes["database"], sizes["backups"], sizes["reserve"]) == (3, 5, 0)
    assert service._sizes(tmp_path / "nowhere")["database"] == 0
