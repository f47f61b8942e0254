import json

import httpx
import msgspec
import pytest

from delta_server.config.sections import Config, Limits
from delta_server.http.body import MAX_TYPED_BYTES
from tests.conftest import bearer, built, client_of, make_keys, started
from tests.storage.opened import FakeClock

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/JSON; charset=UTF-8", 201),
        ("application/geo+json", 201),
        ("text/json", 201),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("application/x-ndjson", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_media_types(sample_client: httpx.AsyncClient, kind: str | None, status: int) -> None:
    headers = {} if kind is None else {"content-type": kind}
    for path in ("/v1/sample", "/v1/sample/document"):
        answer = await sample_client.post(path, content=b'{"name": "a"}', headers=headers)
        assert answer.status_code == status, (path, answer.text)


async def test_documents_come_through_byte_for_byte(sample_client: httpx.AsyncClient) -> None:
    for text in (b' {"a" : 1.0, "a":1e400}\n', b"9" * 5000, b'"\\u00e9\xc3\xa9"', b"[]", b"0"):
        answer = await sample_client.post("/v1/sample/document", content=text, headers=JSON)
        assert answer.content == text


async def test_camel_case_is_another_name(sample_client: httpx.AsyncClient) -> None:
    free = '{"pageSize": 1.0, "a":1, "b":1e999}'
    sent = '{"name":"a", "pageSize": 3, "inner": {"keepDays": 7}, "manyInner": [{"keepDays": 8}], "freeJson": ' + free
    answer = await sample_client.post("/v1/sample", content=sent + "}", headers=JSON)
    assert answer.status_code == 201, answer.text
    assert answer.json()["page_size"] == 3
    assert answer.json()["inner"]["keep_days"] == 7
    assert answer.json()["many_inner"][0]["keep_days"] == 8
    assert f'"free_json":{free}' in answer.text


async def test_errors_behind_an_alias_are_still_told(sample_client: httpx.AsyncClient) -> None:
    answer = await sample_client.post("/v1/sample", content=b'{"name":"a","pageSize":"x"}', headers=JSON)
    assert answer.json()["errors"][0]["field"] == "page_size"


async def test_empty_bodies(sample_client: httpx.AsyncClient) -> None:
    for path in ("/v1/sample", "/v1/sample/document"):
        answer = await sample_client.post(path, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
        assert "empty" in answer.json()["message"]


async def test_management_bodies_are_small(sample_client: httpx.AsyncClient) -> None:
    body = json.dumps({"name": "a" * MAX_TYPED_BYTES}).encode()
    assert (await sample_client.post("/v1/sample", content=body, headers=JSON)).status_code == 413
    assert (await sample_client.post("/v1/sample/document", content=body, headers=JSON)).status_code == 201


@pytest.mark.parametrize(("request_bytes", "status"), [(300 << 10, 413), (2 << 20, 400)])
async def test_management_bodies_are_no_larger_than_others(
    config: Config, clock: FakeClock, request_bytes: int, status: int
) -> None:
    """Where the operator says less than 1 MiB they took that all the same, or were answered 503: to be sent again."""
    limits = Limits(document_bytes=request_bytes, request_bytes=request_bytes)
    async with started(built(msgspec.structs.replace(config, limits=limits), clock)) as application:
        keys = await make_keys(application.services, clock)
        async with client_of(application) as client:
            body = json.dumps({"name": "a" * (400 << 10)}).encode()
            answer = await client.post("/v1/endpoints", content=body, headers=JSON | bearer(keys.project))
            assert answer.status_code == status
            assert ("the limit limits.request_bytes" in answer.json()["detail"]) == (status == 413)


async def test_large_bodies(sample_client: httpx.AsyncClient) -> None:
    body = b'"' + b"a" * (8 << 20) + b'"'
    declared = await sample_client.post("/v1/sample/document", content=body, headers=JSON)
    assert (declared.status_code, declared.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")

    async def pieces():
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    counted = await sample_client.post("/v1/sample/document", content=pieces(), headers=JSON)
    assert counted.status_code == 413
    assert (await sample_client.post("/v1/sample/document", content=body[:100] + b'"', headers=JSON)).status_code == 201


@pytest.mark.parametrize("twice", ["first", "last", "none"])
async def test_a_hundred_thousand_names_are_looked_through_once(sample_client: httpx.AsyncClient, twice: str) -> None:
    """Looking for the one that is there twice name by name took a quarter of an hour of everybody's time."""
    names = [f"{n:x}" for n in range(100_000)]
    more = {"first": [names[0]], "last": [names[-1]], "none": []}[twice]
    body = '{"name":"a","free_json":{' + ",".join(f'"{name}":0' for name in [*names, *more]) + "}}"
    assert len(body) < MAX_TYPED_BYTES
    answer = await sample_client.post("/v1/sample", content=body, headers=JSON)
    if twice == "none":
        assert answer.status_code == 201
    else:
        assert (answer.status_code, f"{more[0]} is given twice") == (400, answer.json()["message"])
