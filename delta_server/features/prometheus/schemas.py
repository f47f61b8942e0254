"""What is asked, as a query string or a form brings it, and how refusals are written."""

from typing import Annotated

import msgspec
from msgspec import Meta

from delta_server.core.prometheus.expression import EVENTS, FIELD
from delta_server.http.errors import ProblemForm

MOST_SELECTORS = 10
Limit = Annotated[int, Meta(ge=0)]
Selectors = Annotated[list[str], Meta(max_length=MOST_SELECTORS)]


class Instant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    query: str
    time: str | None = None
    timeout: str | None = None
    limit: Limit = 0


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    query: str
    step: str
    start: str | None = None
    end: str | None = None
    timeout: str | None = None
    limit: Limit = 0


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`limit` 0 stands for none."""

    match: Selectors = msgspec.field(default_factory=list, name="match[]")
    start: str | None = None
    end: str | None = None
    limit: Limit = 0


_ERROR_TYPES = {400: "bad_data", 401: "unauthorized", 403: "forbidden", 404: "not_found", 503: "unavailable"}


def _members(status: int, message: str) -> dict[str, str]:
    """Grafana and Prometheus' own clients read `status` and `error` as texts, and of a number say that it is none."""
    kind = _ERROR_TYPES.get(status, "internal" if status >= 500 else "execution")
    return {"status": "error", "errorType": kind, "error": message}


PROBLEM_FORM = ProblemForm(
    path="/v1/prometheus/",
    name="PrometheusProblem",
    members=_members,
    properties={
        "status": {"type": "string", "enum": ["error"], "description": "`error`; `statusCode` is the HTTP status"},
        "errorType": {"type": "string", "description": "The kind of problem in Prometheus' words"},
        "error": {"type": "string", "description": "The same as `detail`"},
    },
)

METADATA = {
    EVENTS: {
        "type": "counter",
        "help": "Events by event_type and source: rate(delta_events[5m]), increase(delta_events[1h])",
        "unit": "",
    },
    FIELD: {
        "type": "gauge",
        "help": "The number at a path of an endpoint's documents, from each version on",
        "unit": "",
    },
}

EXAMPLE_BUILD = {"status": "success", "data": {"version": "2.24.0", "application": "Delta", "revision": "0.1.0"}}
EXAMPLE_METADATA = {"status": "success", "data": {FIELD: [METADATA[FIELD]]}}
EXAMPLE_METRIC = {"__name__": "delta_field", "endpoint": "GET /prices", "path": "/EUR"}
EXAMPLE_QUERY = 'delta_field{endpoint="GET /prices",path="/EUR"}'
EXAMPLE_VECTOR = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": EXAMPLE_METRIC, "value": [1777636800, "1.08"]}]},
}
EXAMPLE_MATRIX = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": EXAMPLE_METRIC, "values": [[1777636800, "1.08"]]}]},
}
EXAMPLE_LABELS = {"status": "success", "data": ["__name__", "endpoint", "path"]}
EXAMPLE_SERIES = {"status": "success", "data": [EXAMPLE_METRIC]}
