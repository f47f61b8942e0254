"""/v1/feeds: what changed, as Atom and JSON Feed under secret addresses."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import change_feeds
from delta_server.core.change_feeds import ChangeFeed
from delta_server.core.cursors import row_below
from delta_server.features.feeds import reading, schemas, service
from delta_server.features.feeds.schemas import FeedAnswer, FeedRotation, NewFeed
from delta_server.http import conditional, idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Feeds"]
_LIST = "feeds"


@post(
    "/v1/feeds",
    summary="Make a feed of what changes",
    tags=_TAGS,
    responses={201: ResponseSpec(FeedAnswer, generate_examples=False)},
    opt=example(request={"endpoint_id": "prices"}, answer=schemas.EXAMPLE_ANSWER),
)
async def create_feed(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
    data: JSONBody[NewFeed | None] = None,
) -> Response[bytes]:
    """Of one endpoint, or of all of the project. Whoever has an address reads what changes, and nothing else."""
    return idempotency.respond(
        await service.create_feed(services, project, data or NewFeed(), idempotency_key), "/v1/feeds"
    )


@get(
    "/v1/feeds",
    summary="List feeds, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_feeds(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.Feed]]:
    below = row_below(_LIST, cursor)
    rows = await service.list_feeds(services, project, below=below, limit=limit + 1)
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    return pagination.respond(request, found)


@post(
    "/v1/feeds/{feed_id:str}/rotate",
    summary="Replace the addresses of a feed",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"overlap": "24h"}, answer=schemas.EXAMPLE_ANSWER),
)
async def rotate_feed(
    feed_id: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[FeedRotation | None] = None,
) -> FeedAnswer:
    return await service.rotate_feed(services, project, feed_id, (data or FeedRotation()).overlap)


@delete("/v1/feeds/{feed_id:str}", summary="Delete a feed", tags=_TAGS, opt=example(answer=None))
async def delete_feed(
    feed_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete_feed(services, project, feed_id)


@get(
    "/v1/feeds/{feed_token:str}/atom.xml",
    summary="Read a feed as Atom",
    tags=_TAGS,
    responses={200: ResponseSpec(str, media_type=change_feeds.ATOM_TYPE, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_ATOM),
)
async def read_atom(
    request: Request[Any, Any, Any], services: NamedDependency[Services], feed_token: FromPath[str]
) -> Response[Any]:
    """The newest 30 changes, with the old and new values of the first five places of each."""
    return await _read(request, services, feed_token, change_feeds.atom, change_feeds.ATOM_TYPE)


@get(
    "/v1/feeds/{feed_token:str}/feed.json",
    summary="Read a feed as JSON Feed",
    tags=_TAGS,
    responses={200: ResponseSpec(dict[str, Any], media_type=change_feeds.JSON_TYPE, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_JSON),
)
async def read_json(
    request: Request[Any, Any, Any], services: NamedDependency[Services], feed_token: FromPath[str]
) -> Response[Any]:
    """As Atom."""
    return await _read(request, services, feed_token, change_feeds.json_feed, change_feeds.JSON_TYPE)


async def _read(
    request: Request[Any, Any, Any],
    services: Services,
    token: str,
    write: Callable[[ChangeFeed], bytes],
    media_type: str,
) -> Response[Any]:
    of = reading.subject(services, service.find(services, token))
    found = await reading.newest(services, of)
    tag = reading.etag(of, found)
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    feed = await run_in_turn(request, services, of.feed.project, lambda svc: reading.written(svc, of, found))
    return Response(await services.cpu(write, feed), media_type=media_type, headers=conditional.headers(tag))


ROUTES = [create_feed, list_feeds, rotate_feed, delete_feed, read_atom, read_json]
