"""/v1/endpoints/{}/poll and polls: asking a source now, and what came of asking; /v1/endpoints/preview: trying it."""

from typing import Annotated, Any, get_args

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.polling.outcome import ErrorClass, PollFailed
from delta_server.egress.steps import Steps
from delta_server.features.endpoints import service as endpoints
from delta_server.features.polls import schemas, service
from delta_server.features.polls.schemas import (
    FailingEndpoints,
    Poll,
    PollAnswer,
    PollingPreview,
    PollingPreviewFailed,
    PollingTrial,
    PollsSummary,
)
from delta_server.http import pagination, spans
from delta_server.http.docs import example
from delta_server.http.leaving import while_connected
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Polling"]
_LIST = "polls"
_SUMMARY_MS = times.DAY_MS
_MOST_BUCKETS = 2_000
_IF_DUE = "Only where it is due; else the answer is the last poll: after a change, it may have been polled already"
_CLASS = "Only those that failed of this, of several with commas between, `failed` of anything, `ok` of nothing"


@post(
    "/v1/endpoints/{endpoint:str}/poll",
    summary="Poll an endpoint's source now",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={"poll": schemas.EXAMPLE, "state": "on", "next_at": "2026-05-02T08:05:00.000Z"}),
)
async def poll_now(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    if_due: Annotated[bool, QueryParameter(description=_IF_DUE)] = False,
) -> PollAnswer:
    """Also where polling is paused or off; what finds its source again goes on. Answered when it has ended, or after 25
    seconds without it: its host is asked one request at a time."""
    of = endpoints.resolve(services, project, endpoint)
    row, now = await (service.poll_if_due if if_due else service.poll_now)(services, of)
    return PollAnswer(None if row is None else schemas.poll(row), now.state, _time(now.due_at))


@get(
    "/v1/endpoints/{endpoint:str}/polls",
    summary="List an endpoint's polls, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_polls(
    request: Request[Any, Any, Any],
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    class_: Annotated[str | None, QueryParameter(name="class", description=_CLASS)] = None,
    changed: Annotated[bool | None, QueryParameter(description="Only those that stored a snapshot, or none")] = None,
    from_: spans.From = None,
    to: spans.To = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Poll]]:
    """They are kept for `polling.record_days`."""
    now_ms = services.clock.now_ms()
    span = spans.parse_span(_LIST, from_=from_, to=to, order="desc", cursor=cursor, now_ms=now_ms)
    of = endpoints.resolve(services, project, endpoint)
    rows = await service.list_polls(services, of, span, classes=_classes(class_), changed=changed, limit=limit + 1)
    return pagination.respond(
        request,
        pagination.page(
            rows, limit=limit, item=schemas.poll, cursor=lambda row: spans.cursor_at(_LIST, "desc", (row.at, 0))
        ),
    )


@get(
    "/v1/endpoints/{endpoint:str}/polls/summary",
    summary="Tell how an endpoint's polls went",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_SUMMARY),
)
async def get_summary(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    from_: spans.From = None,
    to: spans.To = None,
    buckets: Annotated[int, QueryParameter(ge=1, le=_MOST_BUCKETS, description="How many rows at most")] = 400,
) -> PollsSummary:
    """Of the last day, where no range is given."""
    now_ms = services.clock.now_ms()
    to_ms = now_ms + 1 if to is None else times.parse_moment(to, field="to", now_ms=now_ms)
    from_ms = to_ms - _SUMMARY_MS if from_ is None else times.parse_moment(from_, field="from", now_ms=now_ms)
    if from_ms >= to_ms:
        raise Invalid("from lies after to", field="from")
    found = await service.summary(services, endpoints.resolve(services, project, endpoint), (from_ms, to_ms), buckets)
    return PollsSummary(
        _time(found.now.due_at), found.now.state, found.classes, [schemas.bucket(each) for each in found.buckets]
    )


@get(
    "/v1/polls/failing",
    summary="List endpoints whose source does not answer",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_FAILING], "has_more": False}),
)
async def list_failing(
    services: NamedDependency[Services], project: NamedDependency[int], limit: Limit = DEFAULT_LIMIT
) -> FailingEndpoints:
    """What failed once and is tried again at once is none of them; what was turned off on purpose neither."""
    return schemas.failing(await service.list_failing(services, project, limit + 1), limit)


@post(
    "/v1/endpoints/preview",
    summary="Try how a source would be polled",
    tags=_TAGS,
    status_code=200,
    opt=example(request=schemas.EXAMPLE_TRIAL, answer=schemas.EXAMPLE_PREVIEW),
)
async def try_polling(
    request: Request[Any, Any, Any],
    data: JSONBody[PollingTrial],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> PollingPreview | PollingPreviewFailed:
    """What would be stored, in what format it comes, and which fields look like noise: they differ between two answers
    that are a second apart. Nothing is stored. A source that fails is an answer too, with `ok` false."""
    from delta_server.features.polls import previewing  # not before, as in running.py

    steps = Steps()
    try:
        found = await while_connected(
            request,
            previewing.preview(
                services, project, data.polling, data.endpoint, steps, tries=data.tries, reuse=data.reuse
            ),
        )
    except PollFailed as error:
        return schemas.preview_failed(error, steps.ms)
    return schemas.preview(found, steps.ms)


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else times.format(time_ms)


def _classes(text: str | None) -> list[str] | None:
    known = get_args(ErrorClass)
    if text is None:
        return None
    if text in ("ok", "failed"):
        return [] if text == "ok" else list(known)
    chosen = text.split(",")
    if not set(chosen) <= set(known):
        raise Invalid(f"class is ok, failed, or of {', '.join(known)}", field="class")
    return chosen


ROUTES = [poll_now, list_polls, get_summary, list_failing, try_polling]
