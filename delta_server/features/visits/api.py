"""/v1/visits and /v1/pixel: what websites say of their visitors, and /script.js, which says it.

Whoever asks not to be counted, by Do Not Track or Global Privacy Control, is answered and not counted.
"""

from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency

from delta_server.core.caller import Caller
from delta_server.features.visits import schemas, service
from delta_server.features.visits.schemas import NewVisitSettings, VisitSettings
from delta_server.features.visits.service import Visited
from delta_server.http import conditional, cors, ingest_auth
from delta_server.http.asgi import Scope
from delta_server.http.docs import example
from delta_server.http.parameters import JSONBody
from delta_server.services import Services

_TAGS = ["Websites"]
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""1x1, transparent."""
_NOT_KEPT = {"cache-control": "no-store, private", "expires": "0", "pragma": "no-cache"}
_AN_HOUR = {"cache-control": "public, max-age=3600"}
_SCRIPT = "script.js"


@post(
    "/v1/visits",
    summary="Send a visit of a website",
    tags=_TAGS,
    status_code=204,
    opt=example(request=schemas.EXAMPLE_VISIT, answer=None, media_type="application/json"),
)
async def append_visit(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[None]:
    """What `script.js` sends: a page that is seen or left, or an event of the page's own, as JSON of any media type."""
    body = await request.body()
    caller = ingest_auth.caller_of(request)
    visited = _visited(request, services, caller)
    if not _wants_no_count(request):
        await service.append_script_visit(services, caller.project or 0, body, visited)
    return Response(None, status_code=204, headers=_NOT_KEPT)


@get(
    "/v1/pixel",
    summary="Count a view of a page by an image",
    tags=_TAGS,
    opt=example(answer="GIF89a...", media_type="image/gif"),
)
async def pixel(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[bytes]:
    """For pages without scripts. `url` or `path` name the page, else the Referer does; `referrer` says what led to it,
    `event` what happened, `visitor` who it was."""
    caller = ingest_auth.caller_of(request)
    visited = _visited(request, services, caller)
    scope = cast("Scope", request.scope)
    if not (_wants_no_count(request) or scope["state"]["exchange"].is_head):
        await service.append_pixel_visit(services, caller.project or 0, scope["query_string"], visited)
    return Response(GIF, media_type="image/gif", headers=_NOT_KEPT)


def _visited(request: Request[Any, Any, Any], services: Services, caller: Caller) -> Visited:
    """Raises Forbidden for a site that the project does not list."""
    scope = cast("Scope", request.scope)
    page = request.headers.get("referer")
    origin = request.headers.get("origin") or _origin_of(page)
    if caller.origins is not None:
        cors.admit_origin(scope, caller.origins, origin, "its")
        cors.admit_origin(scope, service.settings(services, caller.project or 0).origins, origin, "the project's")
    address: str = scope["state"]["exchange"].address
    return Visited(caller.key_id, address, request.headers.get("user-agent", ""), origin, page)


def _origin_of(page: str | None) -> str | None:
    if page is None:
        return None
    try:
        parts = urlsplit(page)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}"


def _wants_no_count(request: Request[Any, Any, Any]) -> bool:
    """Or is a browser that only loads a page ahead."""
    headers = request.headers
    return "1" in (headers.get("dnt"), headers.get("sec-gpc")) or "prefetch" in headers.get("sec-purpose", "")


@get(f"/{_SCRIPT}", include_in_schema=False)
async def script(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[Any]:
    content, tag = await services.cpu(_script)
    headers = {**_AN_HOUR, "etag": tag}
    if conditional.matches(request.headers.get("if-none-match"), tag):
        return Response(None, status_code=304, headers=headers)
    return Response(content, media_type="text/javascript", headers=headers)


@lru_cache(1)
def _script() -> tuple[bytes, str]:
    content = resources.files("delta_server").joinpath("data", _SCRIPT).read_bytes()
    return content, f'"{sha256(content).hexdigest()[:32]}"'


@get(
    "/v1/visits/settings",
    summary="What is kept of visits",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_SETTINGS),
)
async def shown(services: NamedDependency[Services], project: NamedDependency[int]) -> VisitSettings:
    return service.settings(services, project)


@put(
    "/v1/visits/settings",
    summary="Set what is kept of visits",
    tags=_TAGS,
    opt=example(request=schemas.EXAMPLE_SETTINGS, answer=schemas.EXAMPLE_SETTINGS),
)
async def change(
    data: JSONBody[NewVisitSettings], services: NamedDependency[Services], project: NamedDependency[int]
) -> VisitSettings:
    """Of visits from now on. What is absent is as it is for a new project: any site, all fields."""
    return await service.set_settings(services, project, data)


ROUTES = [append_visit, pixel, script, shown, change]
