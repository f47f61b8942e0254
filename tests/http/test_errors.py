import re

import httpx
import pytest
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
    TooLarge,
    Unauthorized,
    Unavailable,
)
from delta_server.http.errors import TITLES, failure


async def test_the_shape(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz?one=1")
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert list(problem) == [
        "type", "title", "status", "detail", "code", "message", "request_id", "timestamp", "errors",
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
        (DatabaseFailed("x"), 500, "DATABASE_ERROR"),
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


async def test_internals_stay_in_the_log(sample_client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await sample_client.get("/v1/sample/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "secret detail" not in answer.text
    (line,) = [entry for entry in logs if entry["event"] == "request failed"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "secret detail" in repr(line["exc_info"])


async def test_an_answer_that_has_begun_is_cut_off(sample_client: httpx.AsyncClient) -> None:
    with capture_logs() as logs, pytest.raises(LitestarException):
        await sample_client.get("/v1/sample/half")
    assert [entry["event"] for entry in logs] == ["answer broken off", "request"]


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        (b"{}", "name", "is missing"),
        (b'{"name":1}', "name", "must be a text, not a whole number"),
        (b'{"name":"a","page_size":"5"}', "page_size", "must be a whole number, not a text"),
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
