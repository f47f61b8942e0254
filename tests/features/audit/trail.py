"""Reading the audit log in tests."""

from typing import Any

import httpx

from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.audit.service import AuditVerified
from delta_server.services import Services
from tests.conftest import bearer


async def entries(client: httpx.AsyncClient, key: str, **query: str | int) -> list[dict[str, Any]]:
    answer = await client.get("/v1/audit", params=query, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def verified(services: Services) -> AuditVerified:
    account = await services.db.read(accounts.find_default_account)
    assert account is not None
    return await audit.verify(services, account, lambda done, of: None)
