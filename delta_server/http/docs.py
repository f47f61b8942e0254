"""The API's description at /docs/openapi.json, and Swagger UI at /docs from files of an installed package.

Handlers say what they are in their decorators: `summary`, `tags`, and `opt=example(request=..., answer=...)`.
"""

import asyncio
from functools import lru_cache
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import BaseRoute

from delta_server import __version__
from delta_server.core.errors import NotFound
from delta_server.http import conditional, described, field_descriptions, registering
from delta_server.http.auth import PROJECT
from delta_server.http.errors import PROBLEM_JSON, Problem, ProblemForm, form_of
from delta_server.http.gate import bare, takes_project
from delta_server.http.guards import PUBLIC, Access, Guards
from delta_server.http.parameters import FromPath

_OPT = "example"

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""What is taken from the package swagger-ui-py; packaging puts the same files into the executable."""

_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Delta API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/page.css">
<meta name="color-scheme" content="light dark">
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "docs/openapi.json", dom_id: "#api", deepLinking: true, persistAuthorization: false, validatorUrl: null,
  defaultModelsExpandDepth: 0, presets: [SwaggerUIBundle.presets.apis],
});
"""
_STYLE = b"""body { margin: 0; }
@media (prefers-color-scheme: dark) {
  html { background: #1b1b1b; }
  .swagger-ui { filter: invert(0.88) hue-rotate(180deg); }
  .swagger-ui .microlight, .swagger-ui .highlight-code { filter: invert(1) hue-rotate(180deg); }
}
"""
"""Swagger UI has light colours only: they are turned round, but for the code, which is light on dark already."""

_OWN_FILES = {"start.js": ("text/javascript", _START), "page.css": ("text/css", _STYLE)}
_ABOUT = """Delta keeps the history of your data: it stores snapshots of JSON documents and tells exactly what changed.
It takes in events, each exactly once, and answers questions about them.

Send a key as `Authorization: Bearer KEY` or as `x-api-key: KEY`. `x-tenant-id: PROJECT` (id or name) may stand beside
it: it must be the project of a project's key, and says which project is meant with an account's key, as `?project_id=`
does. Failed requests are answered with `application/problem+json` (RFC 9457).
Requests a minute are limited: answers carry `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (in
seconds), 429 has `Retry-After`.
Names may be written in camelCase too: `pageSize` is `page_size`. In queries `endpoint` is `endpoint_id`, `from_time`
and `startTime` are `from`, `to_time` and `endTime` are `to`, and each the other way round. `/api/...` and `/api/v1/...`
are other names of `/v1/...`."""
_IDEMPOTENCY = "1 to 255 characters, a UUID for example: sent again within a day it has no second effect"
_PROJECT = "The key's own project, or which one is meant with an account's key; x-tenant-id says the same"
_MORE_KEYS = ("basic", "writeKeyHeader", "writeKeyQuery")
"""How keys come to routes that take in events, besides the two ways all routes know."""
_TAGGED = frozenset(f"/v1/snapshots/{rest}" for rest in ("{}", "{}/data", "latest/{}", "at/{}"))
_PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:delta:problem:validation-error",
    "title": "Invalid value",
    "status": 400,
    "detail": "limit must be at most 1000",
    "code": "VALIDATION_ERROR",
    "message": "limit must be at most 1000",
    "request_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "timestamp": "2026-05-01T12:00:00.000Z",
    "errors": [{"field": "limit", "message": "must be at most 1000"}],
    "error": "Invalid value",
    "statusCode": 400,
    "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
}


def example(*, answer: Any, request: Any = None, media_type: str | None = None) -> dict[str, Any]:
    """For a handler's `opt`: what is sent and what comes back. `media_type` is that of a body Litestar cannot see.

    `answer` None stands for an answer without a body.
    """
    return {_OPT: {"request": request, "answer": answer, "media_type": media_type}}


class _NoRoutes(Router):
    """Drops the pages Litestar would add: they load their scripts from a CDN."""

    def register(self, value: Any) -> list[BaseRoute]:
        return []


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Delta",
        version=__version__,
        description=_ABOUT,
        openapi_router=_NoRoutes("/docs", route_handlers=[]),
        render_plugins=[],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "basic": SecurityScheme(type="http", scheme="basic", description="A write key as the user name"),
                "writeKeyHeader": SecurityScheme(type="apiKey", name="X-Write-Key", security_scheme_in="header"),
                "writeKeyQuery": SecurityScheme(type="apiKey", name="writeKey", security_scheme_in="query"),
                "header": SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header"),
                "bearer": SecurityScheme(  # the last one: Swagger UI's dialog scrolls there and leaves the cursor
                    type="http", scheme="bearer", description="A key; nothing else has to be filled in"
                ),
            }
        ),
    )


def describe(app: Litestar) -> dict[str, Any]:
    """Litestar's OpenAPI document with our examples, errors and scopes in it. `app.state` has what features say of
    their routes."""
    registering.read_all(app)
    guards: Guards = app.state.guards
    schema: dict[str, Any] = app.openapi_schema.to_schema()
    _, problem = msgspec.json.schema_components([Problem], ref_template=described.REF)
    forms: list[ProblemForm] = app.state.problem_forms
    problem |= {form.name: _in_form(problem["Problem"], form) for form in forms}
    schema["components"].setdefault("schemas", {}).update(problem | described.bodies(app))
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            operation = schema["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                path = bare(route.path_format)
                access = guards.get((method, path))
                for parameter in operation.get("parameters", ()):
                    if parameter["in"] == "path":
                        parameter["description"] = app.state.path_parameters[parameter["name"]]
                _describe_headers(method, path, access, operation)
                _complete(operation, handler.opt.get(_OPT) or {}, access)
                _describe_failure(form_of(forms, path), operation["responses"])
    described.adapt(schema)
    described.name(schema)
    field_descriptions.add(schema, app.state.fields)
    return schema


def _describe_headers(method: str, path: str, access: Access | None, operation: dict[str, Any]) -> None:
    """The same for all routes, so no handler declares them."""
    parameters = operation.setdefault("parameters", [])
    if access is not None and takes_project(access):
        parameters.append(_header(PROJECT, _PROJECT, **{"in": "query"}))
    succeeded = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    if method == "POST" and "201" in operation["responses"]:
        parameters.append(_header("Idempotency-Key", _IDEMPOTENCY, **{"in": "header"}))
        described = {"Idempotency-Replayed": _header("", "`true`: the answer to an earlier request with this key")}
        if not path.endswith("/batch"):
            described["Location"] = _header("", "Path of what was made")
    elif path in _TAGGED:
        parameters.append(
            _header("If-None-Match", "The ETag of what the caller has: 304 if it is still so", **{"in": "header"})
        )
        described = {"ETag": _header("", "Names this answer; for `/data` the hash of the document")}
        operation["responses"]["304"] = {"description": "", "headers": described}
    elif any(parameter["name"] == "cursor" for parameter in parameters):
        described = {"Link": _header("", 'The next page, `rel="next"`, if there is one')}
    else:
        return
    for answer in succeeded:
        answer.setdefault("headers", {}).update(described)


def _header(name: str, description: str, **more: str) -> dict[str, Any]:
    named: dict[str, Any] = {"name": name, "required": False} if name else {}
    return named | {"description": description, "schema": {"type": "string"}} | more


def _complete(operation: dict[str, Any], given: dict[str, Any], access: Access | None) -> None:
    if access is not None and not access.public:
        names = ["bearer", "header", *(_MORE_KEYS if access.scope == "ingest" else ())]
        operation["security"] = [{name: []} for name in names]
    if access is not None and access.takes_scope:
        operation["x-scope"] = access.needs
        said = operation.get("description")
        operation["description"] = (f"{said}\n\n" if said else "") + f"Scope: `{access.needs}`."
    if given.get("request") is not None:
        kind = given.get("media_type") or "application/json"
        content = operation.setdefault("requestBody", {"content": {}})["content"]
        content.setdefault(kind, {"schema": {}})["example"] = given["request"]
    answers = operation["responses"]
    for status, answer in answers.items():
        if status == "204":
            answer.pop("content", None)
        if status.startswith("2") and given.get("answer") is not None:
            for content in (answer.get("content") or {}).values():
                content["example"] = given["answer"]
        answer["description"] = HTTPStatus(int(status)).phrase


def _describe_failure(form: ProblemForm | None, answers: dict[str, Any]) -> None:
    name, example = "Problem", _PROBLEM_EXAMPLE
    if form is not None:
        name, example = form.name, {**example, **form.members(example["status"], example["message"])}
    answers.pop("400", None)
    content = {PROBLEM_JSON: {"schema": {"$ref": described.REF.format(name=name)}, "example": example}}
    answers["default"] = {"description": "What went wrong", "content": content}


def _in_form(problem: dict[str, Any], form: ProblemForm) -> dict[str, Any]:
    fields = {
        name: {"description": field_descriptions.FIELDS[f"Problem.{name}"], **field}
        for name, field in problem["properties"].items()
        if name not in form.properties
    }
    added = [name for name in form.properties if name not in problem["properties"]]
    return problem | {
        "title": form.name,
        "properties": {**fields, **form.properties},
        "required": [*problem["required"], *added],
    }


@get("/docs", include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    if request.scope["raw_path"].endswith(b"/"):  # the page's URLs are relative, for servers behind a path
        return Response(b"", status_code=308, headers={"location": "../docs"})
    return Response(_PAGE, media_type=MediaType.HTML)


@get("/docs/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await asyncio.to_thread(_description, request.app), media_type=MediaType.JSON)


@get("/docs/{name:str}", include_in_schema=False)
async def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    if own := _OWN_FILES.get(name):
        return Response(own[1], media_type=own[0])
    if name not in ASSETS:
        raise NotFound("there is no such file in the documentation")
    tag = f'"{__version__}"'
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    return Response(_read(name), media_type=ASSETS[name], headers=conditional.headers(tag))


_describing = Lock()


def _description(app: Litestar) -> bytes:
    """For a thread: the first time takes 100 ms. Litestar's part is not made for several at once."""
    with _describing:
        return _described(app)


@lru_cache(1)
def _described(app: Litestar) -> bytes:
    return msgspec.json.encode(describe(app))


def _read(name: str) -> bytes:
    """A file of Swagger UI. The package itself is not imported: it would bring a template engine along."""
    spec = find_spec("swagger_ui")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        path = Path(place, "static", name)
        if path.is_file():
            return path.read_bytes()
    raise NotFound("the documentation's page is not part of this installation; /docs/openapi.json is")


ROUTES = [page, openapi, asset]
GUARDS: Guards = {
    ("GET", "/docs"): PUBLIC,
    ("GET", "/docs/openapi.json"): PUBLIC,
    ("GET", "/docs/{}"): PUBLIC,
}
