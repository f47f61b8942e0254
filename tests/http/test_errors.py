import re
from typing import Any

import httpx
import msgspec
import pytest
import zstandard
from litestar.exceptions import LitestarException
from structlog.testing import capture_logs

from delta_server.core.errors import (
    Conflict,
    DatabaseFailed,
    DeltaError,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    SpaceBusy,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from delta_server.http.errors import TITLES, failure
from tests.conftest import Keys, bearer, shared


@shared
async def test_the_shape(shared_client: httpx.AsyncClient) -> None:
    answer = await shared_client.get("/healthz?one=1")
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert list(problem) == [
        "type", "title", "status", "detail", "code", "message", "request_id", "timestamp", "errors",
        "error", "statusCode", "requestId",
    ]  # fmt: skip
    assert problem["type"] == "urn:delta:problem:validation-error"
    assert problem["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert problem["detail"] == problem["message"] == "unknown query parameter one; this route knows none"
    assert problem["errors"] == [{"field": "one", "message": "is not a known query parameter"}]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("x"), 400, "VALIDATION_ERROR"),
        (Unauthorized("x"), 401, "UNAUTHORIZED"),
        (Forbidden("x"), 403, "FORBIDDEN"),
        (NotFound("x"), 404, "NOT_FOUND"),
        (Conflict("x"), 409, "CONFLICT"),
        (KeyReused("x"), 422, "CONFLICT"),
        (TooLarge("x"), 413, "PAYLOAD_TOO_LARGE"),
        (Unavailable("x"), 503, "DATABASE_ERROR"),
        (SpaceBusy("x"), 503, "SPACE_BUSY"),
        (DatabaseFailed("x"), 500, "DATABASE_ERROR"),
        (msgspec.DecodeError("x"), 500, "DATABASE_ERROR"),
        (msgspec.ValidationError("x"), 500, "DATABASE_ERROR"),
        (zstandard.ZstdError("x"), 500, "DATABASE_ERROR"),
        (RecursionError(), 400, "BAD_REQUEST"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), 400, "BAD_REQUEST"),
        (KeyError("x"), 500, "INTERNAL_ERROR"),
    ],
)
def test_the_table(error: Exception, status: int, code: str) -> None:
    answer = failure(error, request_id="r", now_ms=0)
    assert (answer.status, code in answer.body.decode()) == (status, True)
    assert code in TITLES


def test_every_code_has_a_title() -> None:
    def classes(of: type[DeltaError]) -> list[type[DeltaError]]:
        return [of, *(deeper for sub in of.__subclasses__() for deeper in classes(sub))]

    assert {error.code for error in classes(DeltaError)} <= set(TITLES)


def test_when_to_come_back() -> None:
    assert failure(Unavailable("x", retry_after_s=7), request_id="r", now_ms=0).headers["retry-after"] == "7"


def test_what_is_expected_is_logged_without_the_way_there() -> None:
    with capture_logs() as logs:
        failure(Unavailable("the disk is full"), request_id="r", now_ms=0)
        failure(DatabaseFailed("a pack is damaged"), request_id="r", now_ms=0)
    assert [(log["log_level"], log["reason"]) for log in logs] == [
        ("warning", "the disk is full"),
        ("error", "a pack is damaged"),
    ]
    assert not any("exc_info" in log for log in logs)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "type", "title"),
    [
        ("PUT", "/v1/sample", {}, 405, "method-not-allowed", "Method"),
        ("GET", "/healthz?" + "x" * 9000, {}, 414, "uri-too-long", "URI"),
        ("POST", "/v1/sample", {"content-type": "text/plain"}, 415, "unsupported-media-type", "media type"),
    ],
)
async def test_titles_that_fit(
    sample_client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    type: str,
    title: str,
) -> None:
    problem = (await sample_client.request(method, path, headers=headers, content=b"{}")).json()
    assert (problem["status"], problem["type"]) == (status, f"urn:delta:problem:{type}")
    assert title in problem["title"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/deltas?order=up", "order must be asc or desc, not 'up'"),
        ("/v1/deltas?since_snapshot=x&format=xml", "format must be json-patch or merge-patch or changes, not 'xml'"),
        ("/v1/snapshots?change=x", "unknown query parameter change; this route knows around, changed_only,"),
        ("/v1/snapshots?changed=x", "unknown query parameter changed (changed_only?); this route knows around,"),
        ("/v1/snapshots?from=soon", "or a date like 2026-05-01, or an age like 24h or 7d"),
        ("/v1/endpoints/none", "GET /v1/endpoints lists them"),
        ("/v1/nowhere", "write / within a name as %2F"),
    ],
)
@shared
async def test_messages_say_what_to_send(
    shared_client: httpx.AsyncClient, own_keys: Keys, path: str, says: str
) -> None:
    message = (await shared_client.get(path, headers=bearer(own_keys.project))).json()["message"]
    assert says in message
    assert ("%2F" in message) == ("%2F" in says)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        (
            "/v1/snapshots",
            {"meta": {}, "data": 1},
            "unknown field meta; known here are endpoint_id, data",
        ),
        ("/v1/snapshots/batch", {"snapshots": []}, "snapshots must have at least 1 element"),
        (
            "/v1/endpoints",
            {"name": "x", "diff": {"order": {"/a": "up"}}},
            "diff.order[...] must be set or strict, not 'up'",
        ),
        ("/v1/endpoints", {"name": "x", "retention": {"days": 1}}, "known here are keep_days, keep_last"),
    ],
)
@shared
async def test_bodies_are_told_what_to_hold(
    shared_client: httpx.AsyncClient, own_keys: Keys, path: str, body: Any, says: str
) -> None:
    answer = await shared_client.post(path, headers=bearer(own_keys.project), json=body)
    assert (answer.status_code, says in answer.json()["message"]) == (400, True), answer.text


async def test_internals_stay_in_the_log(sample_client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await sample_client.get("/v1/sample/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in answer.text
    (line,) = [entry for entry in logs if entry["event"] == "request failed"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "secret detail" in repr(line["exc_info"])


@pytest.mark.parametrize(
    ("expected", "level", "told"), [(False, "error", "exc_info"), (True, "warning", "reason")], ids=["fault", "coded"]
)
async def test_an_answer_that_has_begun_is_cut_off(
    sample_client: httpx.AsyncClient, expected: bool, level: str, told: str
) -> None:
    """The log tells it in a line when it is a coded error, as of a query that found no place in time."""
    with capture_logs() as logs, pytest.raises(LitestarException):
        await sample_client.get("/v1/sample/half", params={"expected": expected})
    assert [entry["event"] for entry in logs] == ["answer broken off", "request"]
    assert (logs[0]["log_level"], told in logs[0], len({"exc_info", "reason"} & set(logs[0]))) == (level, True, 1)


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        (b"{}", "name", "is missing"),
        (b'{"name":1}', "name", "must be a string, not a whole number"),
        (b'{"name":"a","page_size":"5"}', "page_size", "must be a whole number, not a string"),
        (b'{"name":"a","page_size":true}', "page_size", "must be a whole number, not true or false"),
        (b'{"name":"a","page_size":101}', "page_size", "must be at most 100"),
        (b'{"name":"a","page_size":' + b"9" * 5000 + b"}", "page_size", "is too large a number"),
        (b'{"name":"a","role":"admin"}', "role", "is not a known field"),
        (b'{"name":"a","inner":{"id":1}}', "inner.id", "is not a known field"),
        (b'{"name":"a","many_inner":[{},{"keep_days":[]}]}', "many_inner[1].keep_days",
         "must be a whole number or null, not an array"),
        (b'{"name":"a","name":"b"}', "name", "name is given twice"),
        (b'{"name":"a","page_size":1,"pageSize":2}', "page_size",
         "page_size is given twice, as page_size and as pageSize"),
        (b"[]", "", "must be an object, not an array"),
        (b"null", "", "must be an object, not null"),
    ],
)  # fmt: skip
async def test_bodies_that_are_not_what_is_wanted(
    sample_client: httpx.AsyncClient, sent: bytes, field: str, message: str
) -> None:
    answer = await sample_client.post("/v1/sample", content=sent, headers={"content-type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "VALIDATION_ERROR")
    assert problem["errors"] == [{"field": field, "message": message}]
    assert field in problem["message"]
    assert not re.search(r"[`$]", problem["message"])


@shared
async def test_a_missing_scope_is_told_with_how_to_get_it(shared_client: httpx.AsyncClient, own_keys: Keys) -> None:
    for key, method, path, scope in (
        (own_keys.read, "POST", "/v1/endpoints", "endpoints:write"),
        (own_keys.write, "PATCH", "/v1/projects/mine", "projects:admin"),
        (own_keys.write, "DELETE", "/v1/snapshots/01890a5d-ac96-774b-bcce-b302099a8057", "snapshots:admin"),
    ):
        answer = await shared_client.request(method, path, headers=bearer(key))
        assert answer.status_code == 403
        assert f"lacks the scope {scope}" in answer.json()["message"]
        assert f"key create --scope {scope}" in answer.json()["message"]
