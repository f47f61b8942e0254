"""/v1/annotations: what was noted of a time, for charts to draw it."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid
from delta_server.features.annotations import schemas, service
from delta_server.features.annotations.schemas import (
    Annotation,
    AnnotationAnswer,
    AnnotationChange,
    Kind,
    NewAnnotation,
)
from delta_server.features.annotations.store import Wanted
from delta_server.http import idempotency, pagination, spans
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Annotations"]
_LIST = "annotations"
_LATEST_MS = 1 << 62


@post(
    "/v1/annotations",
    summary="Note something of a time",
    tags=_TAGS,
    responses={201: ResponseSpec(AnnotationAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"annotation": schemas.EXAMPLE}),
)
async def create_annotation(
    data: JSONBody[NewAnnotation],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """A deploy, an incident. A key of the scope `annotations:write` alone does no more than this: for a pipeline."""
    return idempotency.respond(await service.create(services, project, data, idempotency_key), "/v1/annotations")


@get(
    "/v1/annotations",
    summary="List what was noted, the latest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_annotations(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    from_: spans.From = None,
    to: spans.To = None,
    kind: Annotated[Kind | None, QueryParameter(description="Only those of one kind")] = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Annotation]]:
    """Of all times, or what reaches into the time from `from` on and before `to`."""
    now_ms = services.clock.now_ms()
    from_ms = times.EARLIEST_MS if from_ is None else times.parse_moment(from_, field="from", now_ms=now_ms)
    to_ms = _LATEST_MS if to is None else times.parse_moment(to, field="to", now_ms=now_ms)
    if from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    below = decode_cursor(_LIST, cursor, tuple[int, int]) if cursor else (_LATEST_MS, 0)
    rows = await service.list_annotations(services, project, Wanted(from_ms, to_ms, kind), below=below, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=service.shown, cursor=lambda row: encode_cursor(_LIST, row.begins_at, row.id)
    )
    return pagination.respond(request, found)


@patch(
    "/v1/annotations/{annotation_id:str}",
    summary="Change an annotation",
    tags=_TAGS,
    opt=example(
        request={"end": "2026-05-01T12:40:00Z"},
        answer={"annotation": {**schemas.EXAMPLE, "end": "2026-05-01T12:40:00.000Z"}},
    ),
)
async def update_annotation(
    annotation_id: FromPath[str],
    data: JSONBody[AnnotationChange],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> AnnotationAnswer:
    return AnnotationAnswer(await service.update(services, project, annotation_id, data))


@delete("/v1/annotations/{annotation_id:str}", summary="Delete an annotation", tags=_TAGS, opt=example(answer=None))
async def delete_annotation(
    annotation_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete(services, project, annotation_id)


ROUTES = [create_annotation, list_annotations, update_annotation, delete_annotation]
