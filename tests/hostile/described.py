"""What tests/hostile/test_described.py asks: apart, for schemathesis takes a second to import."""

import json
import random
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from delta_server import app as delta_app
from delta_server.http.gate import bare
from tests.conftest import bearer
from tests.features.users.people import PASSWORD
from tests.often import FUZZ

EXAMPLES = 2 * FUZZ


@schemathesis.serializer("application/x-ndjson")
def as_line(context: Any, value: Any) -> bytes:
    """A text as it is, anything else as a line of JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode() + b"\n"


CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
LEFT_OUT = {
    ("delete", "/v1/projects/{project_id}"): "the others need it",
    ("delete", "/v1/auth/api-keys/{key_id}"): "and its key",
    ("delete", "/v1/auth/sessions"): "and the session",
    ("get", "/v1/stream"): "never ends",
    ("get", "/v1/sync/stream"): "never ends",
    ("get", "/v1/sync/{data_type}/rxdb/stream"): "never ends",
    ("get", "/v1/backup"): "is large",
}
GUARDS = delta_app.guards_of(delta_app.FEATURES)
once_each = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class World:
    """A server with something of everything in it, and its description without what would end the requests early."""

    def __init__(self, url: str, key: str, account: str, owner: str) -> None:
        self.url = url
        self.owner = owner
        self.session = _session(key)
        login = self.session.post(f"{url}/v1/auth/login", json={"email": owner, "password": PASSWORD}, timeout=30)
        person = _session(login.json()["access_token"])
        self._callers = {"project": self.session, "account": _session(account), "any": person, "person": person}
        self.ids = self._fill()
        document = requests.get(f"{url}/docs/openapi.json", timeout=30).json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                self._prepare(method, path, operation)
        self.schema = schemathesis.openapi.from_dict(document)

    def caller(self, operation: APIOperation) -> requests.Session:
        return self._callers[GUARDS[operation.method.upper(), bare(operation.path)].keys]

    def _fill(self) -> dict[str, str]:
        for price in (1, 2, 3):
            document = {"items": [{"id": n, "price": n * price, "name": "é"} for n in range(9)]}
            made = self._post("/v1/snapshots?endpoint=prices", document)
        who = {"userId": "u", "context": {}}
        calls = [{"type": "track", "event": "bought", "properties": {"total": n}, **who} for n in range(20)]
        self._post("/v1/batch", {"batch": [*calls, {"type": "group", "groupId": "acme", "traits": {"a": 1}, **who}]})
        spare = self._post("/v1/auth/api-keys", {"name": "spare", "scopes": ["read"]})
        snapshot = made["snapshot"]["id"]
        events = {"user": "u", "group": "acme"}
        documents = {"endpoint": "prices", "snapshot_id": snapshot, "delta_id": snapshot}
        return events | documents | {"project_id": "mine", "user_id": self.owner, "key_id": spare["api_key"]["id"]}

    def _post(self, path: str, body: Any) -> Any:
        answer = self.session.post(self.url + path, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def _prepare(self, method: str, path: str, operation: dict[str, Any]) -> None:
        operation.pop("security", None)  # the key stands in a header
        kept = [one for one in operation.get("parameters", []) if one["name"] != "project_id" or one["in"] == "path"]
        for parameter in kept:
            if method != "delete" and parameter["name"] in self.ids and parameter["in"] == "path":
                parameter["schema"]["enum"] = [self.ids[parameter["name"]], "another"]
        operation["parameters"] = kept

    def operations(self) -> list[APIOperation]:
        found = [each.ok() for each in self.schema.get_all_operations() if isinstance(each, Ok)]
        assert len(found) > 80
        return [each for each in found if (each.method.lower(), each.path) not in LEFT_OUT]


def _session(credential: str) -> requests.Session:
    session = requests.Session()
    session.headers.update(bearer(credential))
    return session


def failures(world: World, operations: list[APIOperation]) -> dict[str, str]:
    """What fits the description is asked of all, what does not of each second one, another half each run by chance: of
    all with DELTA_FUZZ."""
    found = {}
    half = random.randrange(2)
    for number, operation in enumerate(operations):
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and FUZZ == 1 and number % 2 == half:
                continue
            if failure := _first_failure(world, operation, mode):
                found[f"{operation.method.upper()} {operation.path} {mode.value}"] = failure
    return found


def _first_failure(world: World, operation: APIOperation, mode: GenerationMode) -> str | None:
    if mode is GenerationMode.NEGATIVE and FUZZ == 1 and _takes_everything(operation.definition.raw):
        return None

    @once_each
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        answer = case.call(base_url=world.url, session=world.caller(operation), timeout=30)
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:  # nothing could be wrong with it
        return None
    except BaseExceptionGroup as group:
        return "\n".join(map(str, group.exceptions))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _takes_everything(operation: dict[str, Any]) -> bool:
    """Whether nothing that is sent could be wrong: a body of any kind, and free texts in the path alone. To find that
    out takes schemathesis 459 tries; with DELTA_FUZZ it has them."""
    bodies = operation.get("requestBody", {}).get("content", {}).values()
    parameters = operation.get("parameters", [])
    return not any(body.get("schema") for body in bodies) and all(
        one["in"] == "path" and one["schema"].keys() <= {"type", "description"} and one["schema"]["type"] == "string"
        for one in parameters
    )
