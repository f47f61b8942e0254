"""/v1/saved-queries: questions about events and SQL by a name."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.cursors import row_below
from delta_server.core.query.saved import Kind
from delta_server.features.saved_queries import schemas, service
from delta_server.features.saved_queries.schemas import (
    NewSavedQuery,
    SavedQueryAnswer,
    SavedQueryChange,
    SavedQueryItem,
)
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Saved queries"]
_LIST = "saved queries"


@post(
    "/v1/saved-queries",
    summary="Save a query",
    tags=_TAGS,
    responses={201: ResponseSpec(SavedQueryAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"saved_query": schemas.EXAMPLE}),
)
async def create_saved_query(
    data: JSONBody[NewSavedQuery],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """Refused is what the kind's route would refuse. Give `range` as an age, such as `7d`, for one that is always about
    the newest days. It is not run, and running it takes the kind's own scope."""
    return idempotency.respond(await service.create(services, project, data, idempotency_key), "/v1/saved-queries")


@get(
    "/v1/saved-queries",
    summary="List saved queries, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_ITEM], "has_more": False, "next_cursor": None}),
)
async def list_saved_queries(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    kind: Annotated[Kind | None, QueryParameter(description="Only those of one kind")] = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[SavedQueryItem]]:
    """Without their specs, which each has by itself."""
    below = row_below(_LIST, cursor)
    rows = await service.list_saved(services, project, kind=kind, below=below, limit=limit + 1)
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    return pagination.respond(request, found)


@get(
    "/v1/saved-queries/{query_id:str}",
    summary="Get a saved query",
    tags=_TAGS,
    opt=example(answer={"saved_query": schemas.EXAMPLE}),
)
async def get_saved_query(
    query_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> SavedQueryAnswer:
    return SavedQueryAnswer(await service.get(services, project, query_id))


@patch(
    "/v1/saved-queries/{query_id:str}",
    summary="Change a saved query",
    tags=_TAGS,
    opt=example(request={"name": "Visitors"}, answer={"saved_query": {**schemas.EXAMPLE, "name": "Visitors"}}),
)
async def update_saved_query(
    query_id: FromPath[str],
    data: JSONBody[SavedQueryChange],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> SavedQueryAnswer:
    return SavedQueryAnswer(await service.update(services, project, query_id, data))


@delete("/v1/saved-queries/{query_id:str}", summary="Delete a saved query", tags=_TAGS, opt=example(answer=None))
async def delete_saved_query(
    query_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete(services, project, query_id)


ROUTES = [create_saved_query, list_saved_queries, get_saved_query, update_saved_query, delete_saved_query]
