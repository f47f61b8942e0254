import json
import re

import httpx
import pytest

from delta_server import app as delta_app
from delta_server.config.sections import Config, Server
from delta_server.http import docs
from tests.conftest import client_of, shared, started


@shared
async def test_the_page_needs_nothing_from_elsewhere(shared_client: httpx.AsyncClient) -> None:
    page = await shared_client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in page.text
    assert "<script>" not in page.text  # the content security policy allows files only
    for url in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert (await shared_client.get(f"/{url}")).status_code == 200, url


@shared
async def test_a_slash_too_many_is_taken_away(shared_client: httpx.AsyncClient) -> None:
    answer = await shared_client.get("/docs/")
    assert (answer.status_code, answer.headers["location"]) == (308, "../docs")


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e%2fapp.py", "swagger-ui.js", "x", "%00", "index.html"])
@shared
async def test_no_other_file_is_served(shared_client: httpx.AsyncClient, name: str) -> None:
    assert (await shared_client.get(f"/docs/{name}")).status_code == 404


@shared
async def test_assets_are_kept_by_browsers(shared_client: httpx.AsyncClient) -> None:
    tag = (await shared_client.get("/docs/swagger-ui.css")).headers["etag"]
    assert (await shared_client.get("/docs/swagger-ui.css", headers={"if-none-match": tag})).status_code == 304


@shared
async def test_the_description(shared_client: httpx.AsyncClient) -> None:
    document = (await shared_client.get("/docs/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    create = document["paths"]["/v1/endpoints"]["post"]
    assert create["security"] == [{"bearer": []}, {"header": []}]
    assert create["x-scope"] == "endpoints:write"
    assert "security" not in document["paths"]["/healthz"]["get"]
    sent = {name for way in document["paths"]["/v1/track"]["post"]["security"] for name in way}
    assert sent == set(document["components"]["securitySchemes"]) > {"basic", "writeKeyHeader", "writeKeyQuery"}
    names = {ref.rpartition("/")[2] for ref in re.findall(r'"\$ref":"([^"]+)"', (await _text(shared_client)))}
    assert names <= set(document["components"]["schemas"])


@shared
async def test_the_key_of_most_callers_is_asked_for_last(shared_client: httpx.AsyncClient) -> None:
    """Swagger UI's dialog scrolls to its last field, and leaves the cursor there."""
    document = (await shared_client.get("/docs/openapi.json")).json()
    assert list(document["components"]["securitySchemes"])[-1] == "bearer"


@shared
async def test_names_of_schemas_are_those_of_classes(shared_client: httpx.AsyncClient) -> None:
    document = (await shared_client.get("/docs/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"([A-Z][a-z]+)+", name)] == []
    assert {"ApiKeyPage", "ListedSnapshotPage"} <= schemas.keys()
    said = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert len(said) > 50
    assert said <= schemas.keys()


@shared
async def test_fields_of_answers_are_described(shared_client: httpx.AsyncClient) -> None:
    document = (await shared_client.get("/docs/openapi.json")).json()
    schemas = document["components"]["schemas"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    waiting = _schemas([operation["responses"] for operation in operations])
    reached: set[str] = set()
    while waiting:
        reached |= waiting
        waiting = _schemas([schemas[name] for name in waiting]) - reached
    assert {"Delta", "Problem", "ListedSnapshotPage", "Health"} <= reached
    fields = {
        f"{name}.{field}": each for name in reached for field, each in schemas[name].get("properties", {}).items()
    }
    assert [name for name, field in fields.items() if not field.get("description")] == []


def test_what_is_said_of_fields_is_said_of_some() -> None:
    document = docs.describe(delta_app.build(Config()).litestar)
    schemas = document["components"]["schemas"]
    fields = {f"{name}.{field}" for name, schema in schemas.items() for field in schema.get("properties", {})}
    fields |= {field.rpartition(".")[2] for field in fields}
    said = [name for feature in delta_app.FEATURES for name in feature.fields]
    assert [name for name in said if name not in fields] == []


def _schemas(part: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))


@shared
async def test_headers_and_paths_are_described(shared_client: httpx.AsyncClient) -> None:
    paths = (await shared_client.get("/docs/openapi.json")).json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            parameters = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
            assert all(parameter.get("description") for parameter in parameters.values()), (method, path)
            assert ("Idempotency-Key" in parameters) == ("201" in operation["responses"])
    made = paths["/v1/endpoints"]["post"]["responses"]["201"]["headers"]
    assert set(made) == {"Idempotency-Replayed", "Location"}
    got = paths["/v1/snapshots/{snapshot_id}/data"]["get"]
    assert "If-None-Match" in {parameter["name"] for parameter in got["parameters"]}
    assert "ETag" in got["responses"]["200"]["headers"]
    assert "ETag" in got["responses"]["304"]["headers"]
    assert "Link" in paths["/v1/deltas"]["get"]["responses"]["200"]["headers"]


@shared
async def test_the_page_is_dark_where_that_is_wished(shared_client: httpx.AsyncClient) -> None:
    style = await shared_client.get("/docs/page.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text


async def _text(client: httpx.AsyncClient) -> str:
    return (await client.get("/docs/openapi.json")).text


async def test_it_can_be_turned_off(config: Config) -> None:
    quiet = Config(storage=config.storage, server=Server(docs=False))
    async with started(delta_app.build(quiet)) as app, client_of(app) as client:
        assert (await client.get("/docs")).status_code == 404
        assert (await client.get("/docs/openapi.json")).status_code == 404
