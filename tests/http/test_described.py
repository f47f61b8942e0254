"""The description in the words of JSON Schema: what it must not say, and what it must."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from delta_server.http import described


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/docs/openapi.json")).json()
    return found


def parts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for deeper in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(deeper)


@pytest.mark.parametrize(
    ("schema", "mended"),
    [
        ({"oneOf": [{}, {"type": "null"}], "description": "a"}, {"description": "a"}),
        ({"oneOf": [{"type": "string"}]}, {"type": "string"}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"items": [{"oneOf": [{}, {}]}]}, {"items": [{}]}),
        ({"enum": ["oneOf"], "example": {"a": [1, None]}}, {"enum": ["oneOf"], "example": {"a": [1, None]}}),
    ],
)
def test_what_may_be_null(schema: dict[str, Any], mended: dict[str, Any]) -> None:
    document = {"paths": {}, "components": {"schemas": {"A": schema}}}
    described.adapt(document)
    assert document["components"]["schemas"]["A"] == mended


@pytest.mark.parametrize(
    ("schema", "mended"),
    [
        ({"oneOf": [{"type": "string"}, {"type": "null"}], "description": "a"}, {"type": "string", "description": "a"}),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}], "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"type": ["null", "string"], "enum": ["csv", None]}, {"type": "string", "enum": ["csv"]}),
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False}),
    ],
)
def test_an_address_cannot_say_null(schema: dict[str, Any], mended: dict[str, Any]) -> None:
    parameter = {"in": "query", "name": "a", "schema": schema}
    described.adapt({"paths": {"/": {"get": {"parameters": [parameter]}}}})
    assert parameter["schema"] == mended


async def test_parameters_are_of_one_type(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                assert isinstance(parameter["schema"]["type"], str), (path, parameter)


async def test_nothing_has_to_fit_one_of_two_that_overlap(document: dict[str, Any]) -> None:
    assert [part for part in parts(document) if "oneOf" in part] == []


async def test_bodies_tell_that_other_fields_are_refused(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for part in parts(document["paths"])
        for content in part.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert {
        "NewKey",
        "NewProject",
        "NewEndpoint",
        "EndpointChange",
        "Comparison",
        "AggregateRequest",
        "Statement",
    } <= bodies
    assert {name for name in bodies if schemas[name].get("additionalProperties") is not False} == set()
    told = {path: document["paths"][path]["post"]["requestBody"] for path in ("/v1/query", "/v1/sql", "/v1/backups")}
    assert [body.get("required", True) for body in told.values()] == [False, True, False]
    assert {schemas[name]["additionalProperties"] for name in ("DiffSettings", "DiffChange", "NewRollups")} == {False}
    assert schemas["DiffSettings"]["properties"]["ignore"]["items"]["minLength"] == 1


@pytest.mark.parametrize(
    ("name", "field", "bounds"),
    [
        ("FunnelRequest", "steps", {"minItems": 2, "maxItems": 8}),
        ("FunnelRequest", "limit", {"minimum": 1, "maximum": 1000}),
        ("RetentionRequest", "periods", {"minimum": 1, "maximum": 100}),
        ("PathsRequest", "depth", {"minimum": 1, "maximum": 10}),
        ("PathsRequest", "limit", {"minimum": 1, "maximum": 1000}),
        ("AggregateRequest", "metrics", {"minItems": 1, "maxItems": 30}),
        ("AggregateRequest", "groupBy", {"maxItems": 10}),
        ("AggregateRequest", "having", {"maxItems": 30}),
        ("Statement", "params", {"maxItems": 1000}),
        ("Statement", "limit", {"minimum": 1, "maximum": 10_000}),
        ("NewProject", "name", {"minLength": 1, "maxLength": 200}),
        ("NewEndpoint", "description", {"maxLength": 2000}),
        ("NewKey", "name", {"maxLength": 200}),
    ],
)
async def test_bounds_are_told(document: dict[str, Any], name: str, field: str, bounds: dict[str, int]) -> None:
    assert document["components"]["schemas"][name]["properties"][field].items() >= bounds.items()
