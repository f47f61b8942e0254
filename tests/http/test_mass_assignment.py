"""No body sets what is not the caller's to set: a field that a route does not name is refused, whatever it is."""

import re
from typing import Any, get_args

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from delta_server import app as delta_app
from delta_server.app import Application
from delta_server.http.gate import bare
from tests.conftest import Keys, bearer
from tests.features.users.people import signed_in
from tests.http.test_all_routes import routes

GUARDS = delta_app.guards_of(delta_app.FEATURES)
OWN_PAGE = {"origin": "http://delta.test", "sec-fetch-site": "same-origin"}
PRIVATE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "uid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "account": 1,
    "owner_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "ownerId": "01890a5d-ac96-774b-bcce-b302099a8057",
    "role": "owner",
    "created_at": "2020-01-01T00:00:00Z",
    "disabled_at": None,
    "is_admin": True,
    "__proto__": {"role": "owner"},
}


def fields(handler: HTTPRouteHandler) -> set[str]:
    """Names of the fields of a route's body, in both spellings; empty where it is no struct."""
    annotation = handler.parsed_data_field.annotation if handler.parsed_data_field else None
    found = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    structs = [kind for kind in found if issubclass(kind, msgspec.Struct)]
    return {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", PRIVATE)
async def test_what_a_body_does_not_have_is_refused(
    app: Application, client: httpx.AsyncClient, keys: Keys, name: str
) -> None:
    person = await signed_in(app, client, "ada@example.com", "owner")
    callers = {"project": keys.project, "account": keys.account, "any": keys.account, "person": person}
    asked = 0
    for method, template, handler in routes(app):
        known = fields(handler)
        if not known or name in known:
            continue
        body = {**handler.opt["example"]["request"], name: PRIVATE[name]}
        path = re.sub(r"\{project_id[^}]*\}", "mine", template)
        path = re.sub(r"\{[^}]*\}", "some", path)
        headers = bearer(callers[GUARDS[method, bare(template)].keys]) | OWN_PAGE
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 400, (method, template, answer.text)
        assert name in [error["field"] for error in answer.json()["errors"]], (method, template, answer.text)
        asked += 1
    assert asked > 25
