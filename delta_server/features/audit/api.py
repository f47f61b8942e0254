"""/v1/audit: who did what, when, from where."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from delta_server.core import csv_text, ids
from delta_server.core.audit_chain import Row
from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid
from delta_server.features.audit import schemas, service
from delta_server.features.audit.actions import Action
from delta_server.features.audit.schemas import AuditEntry, Form
from delta_server.features.audit.service import Filters
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import while_allowed
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import QueryParameter
from delta_server.http.spans import From, To, cursor_at, parse_span
from delta_server.services import Services

_LIST = "audit"


@get(
    "/v1/audit",
    summary="List what was done, the newest first",
    tags=["Audit"],
    responses={200: ResponseSpec(Page[AuditEntry], generate_examples=False)},
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_entries(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    actor: Annotated[str | None, QueryParameter(description="As entries have it: `user ID`, `key ID` ...")] = None,
    action: Annotated[Action | None, QueryParameter(description="What was done")] = None,
    target: Annotated[str | None, QueryParameter(description="What it was done to: a kind and an id")] = None,
    about: Annotated[  # `project` is the server's own
        str | None, QueryParameter(name="project", description="A project's id; it may be deleted")
    ] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    form: Annotated[
        Form, QueryParameter(name="format", description="`csv` and `ndjson` are files of all entries, without pages")
    ] = "json",
) -> Response[Page[AuditEntry]] | Stream:
    """An account's key, an owner and an admin see all of the account, a project's key and its admins what was done in
    the project. In CSV, texts that spreadsheets would run as formulas begin with an apostrophe."""
    span = parse_span(_LIST, from_=from_, to=to, order="desc", cursor=cursor, now_ms=services.clock.now_ms())
    if about is not None and ids.try_parse(about) is None:
        raise Invalid("project must be a project's id: GET /v1/projects lists them", field="project")
    own = None if caller.project is None else service.project_uid(services, caller.project)
    projects = tuple({one.lower() for one in (own, about) if one is not None})
    filters = Filters(span.from_ms, span.to_ms, actor, action, target, projects)
    if form != "json":
        return await _file(request, services, caller, filters, form)
    rows = await service.list_entries(services, caller.account, filters, before=span.after, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=schemas.entry,
        cursor=lambda row: cursor_at(_LIST, "desc", (row.entry.at, row.entry.seq)),
    )
    return pagination.respond(request, found)


async def _file(
    request: Request[Any, Any, Any], services: Services, caller: Caller, filters: Filters, form: Form
) -> Stream:
    if caller.project is None:
        await service.note(services, caller.account, "audit.export")
    else:
        await service.note_in(services, caller.project, "audit.export")
    pieces = _pieces(services, caller.account, filters, form)
    headers = {"content-type": schemas.MEDIA_TYPES[form], "content-disposition": f'attachment; filename="audit.{form}"'}
    return Stream(while_allowed(request, pieces), headers=headers)


async def _pieces(services: Services, account: int, filters: Filters, form: Form) -> AsyncGenerator[bytes, None]:
    if form == "csv":
        yield csv_text.text([schemas.COLUMNS])
    async for rows in service.stream_entries(services, account, filters):
        yield await services.spare_cpu(_written, rows, form)


def _written(rows: list[Row], form: Form) -> bytes:
    entries = [schemas.entry(row) for row in rows]
    if form == "csv":
        return csv_text.text(msgspec.structs.astuple(entry) for entry in entries)
    return msgspec.json.Encoder().encode_lines(entries)


ROUTES = [list_entries]
