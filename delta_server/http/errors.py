"""Every failure as one RFC 9457 answer. The rest of the server raises; only this file knows what errors look like."""

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from msgspec import UNSET, UnsetType
from zstandard import ZstdError

from delta_server.core import times
from delta_server.core.errors import (
    BadRequest,
    DatabaseFailed,
    DeltaError,
    FieldError,
    Invalid,
    Quota,
    QuotaExceeded,
    TooLarge,
)
from delta_server.core.events import otlp_protobuf
from delta_server.http import pages, rate_limits
from delta_server.http.asgi import Scope
from delta_server.http.validation import plain_message

log = structlog.get_logger("delta.http")

PROBLEM_JSON = "application/problem+json"
ACCEPTED_ENCODINGS = "gzip, zstd"

TITLES = {
    "VALIDATION_ERROR": "Invalid value",
    "BAD_REQUEST": "Bad request",
    "UNAUTHORIZED": "Unauthorized",
    "FORBIDDEN": "Forbidden",
    "NOT_FOUND": "Not found",
    "CONFLICT": "Conflict",
    "MASS_DELETE": "Many deletions at once",
    "MASS_REMOVAL": "Most rows are missing",
    "SCHEMA_MISMATCH": "Does not fit the schema",
    "RESYNC_REQUIRED": "Resync required",
    "RATE_LIMIT": "Too many requests",
    "QUOTA_EXCEEDED": "Quota exceeded",
    "PAYLOAD_TOO_LARGE": "Payload too large",
    "DATABASE_ERROR": "Database unavailable",
    "SPACE_BUSY": "Space busy for a moment",
    "COLD_STORAGE_UNAVAILABLE": "Cold storage unavailable",
    "BLOB_STORE_ERROR": "Blob store unavailable",
    "EXTERNAL_SERVICE_ERROR": "External service failed",
    "INTERNAL_ERROR": "Internal server error",
}
CODE_OF_STATUS = {
    405: ("method-not-allowed", "Method not allowed"),
    408: ("request-timeout", "Request timeout"),
    414: ("uri-too-long", "URI too long"),
    415: ("unsupported-media-type", "Unsupported media type"),
}
"""Type and title where a code's own would mislead."""
_DAMAGED = ("damaged-data", "Stored data cannot be read")

_CODE_OF_STATUS = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT", 413: "PAYLOAD_TOO_LARGE"}


class Problem(msgspec.Struct, frozen=True):
    """The body of every failed request (`application/problem+json`). `error`, `statusCode` and `requestId` are `title`,
    `status` and `request_id` under the names other servers' clients look for. `quota` is there where a plan's limit is
    what refuses."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    request_id: str
    timestamp: str
    errors: list[FieldError]
    error: str
    status_code: int = msgspec.field(name="statusCode")
    also_request_id: str = msgspec.field(name="requestId")
    quota: Quota | UnsetType = UNSET


class ProblemForm(msgspec.Struct, frozen=True):
    """What a problem says besides, or instead, where a feature's callers are clients of another server."""

    path: str
    """All routes below it answer so."""
    name: str
    """Of its schema."""
    members: Callable[[int, str], Mapping[str, str]]
    """Of a status and a message."""
    properties: Mapping[str, Mapping[str, Any]]
    """Of `members`, as JSON Schema."""

    def write(self, problem: bytes, status: int, message: str) -> bytes:
        said = self.members(status, message.encode(errors="replace").decode())
        return msgspec.json.encode({**msgspec.json.decode(problem, type=dict[str, msgspec.Raw]), **said})


def form_of(forms: Iterable[ProblemForm], path: str) -> ProblemForm | None:
    return next((form for form in forms if path.startswith(form.path)), None)


class Failure(msgspec.Struct, frozen=True):
    """A failed request's answer before it is written."""

    status: int
    code: str
    headers: dict[str, str]
    body: bytes


class RequestTimeout(DeltaError):
    """The request's body did not arrive in time."""

    code, status = "BAD_REQUEST", 408


class UriTooLong(DeltaError):
    code, status = "BAD_REQUEST", 414


class AnyHttpError(DeltaError):
    """One of Litestar's own refusals without a class of ours."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.code = _CODE_OF_STATUS.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")


def failure(error: Exception, *, request_id: str, now_ms: int) -> Failure:
    """The answer to a request that raised `error`. What is not expected is logged here and answered as
    INTERNAL_ERROR."""
    known = translate(error)
    headers = {"content-type": PROBLEM_JSON, "cache-control": "no-store", **_headers(error, known)}
    if known is not error and known.status >= 500:
        log.error("request failed", request_id=request_id, code=known.code, exc_info=error)
    elif known.status >= 500:  # a full disk refuses every write: a line each, without the way there
        expose = log.error if known.status == HTTPStatus.INTERNAL_SERVER_ERROR else log.warning
        expose("request refused", request_id=request_id, code=known.code, reason=known.message)
    type_, title = _kind(known)
    problem = Problem(
        type=f"urn:delta:problem:{type_}",
        title=title,
        status=known.status,
        detail=known.message,
        code=known.code,
        message=known.message,
        request_id=request_id,
        timestamp=times.format(now_ms),
        errors=list(known.errors),
        error=title,
        status_code=known.status,
        also_request_id=request_id,
        quota=known.quota if isinstance(known, QuotaExceeded) else UNSET,
    )
    body = _encode(problem)
    if known.members:
        body = body[:-1] + b"," + msgspec.json.encode(known.members)[1:]
    return Failure(known.status, known.code, headers, body)


def _kind(known: DeltaError) -> tuple[str, str]:
    """Type and title."""
    if isinstance(known, DatabaseFailed):
        return _DAMAGED
    return CODE_OF_STATUS.get(known.status) or (known.code.lower().replace("_", "-"), TITLES[known.code])


def coded(error: BaseException | None) -> DeltaError | None:
    """The coded error that `error` comes from: a streamed answer's is wrapped, in Litestar's and anyio's."""
    while error is not None and not isinstance(error, DeltaError):
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
    return error


def translate(error: Exception) -> DeltaError:
    """Any exception as one of ours."""
    if isinstance(error, DeltaError):
        return error
    if isinstance(error, HTTPException):
        return _from_litestar(error)
    if isinstance(
        error, msgspec.MsgspecError | ZstdError
    ):  # who decodes what was sent says itself what is wrong with it
        return DatabaseFailed(
            "something stored is damaged; the server's log has more under this request id, `delta-server verify` tells"
            " what else is"
        )
    if isinstance(error, UnicodeDecodeError):
        return BadRequest("the request contains bytes that are not valid UTF-8")
    if isinstance(error, RecursionError):
        return BadRequest("the request is nested too deep")
    return DeltaError("something went wrong in the server; its log has more under this request id")


def _from_litestar(error: HTTPException) -> DeltaError:
    if isinstance(error, ValidationException):
        return _from_validation(error)
    if isinstance(error, MethodNotAllowedException):
        return AnyHttpError("this method is not allowed here; the Allow header lists those that are", status=405)
    if isinstance(error, NotFoundException):
        return AnyHttpError("there is no such route; in a path, write / within a name as %2F", status=404)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge("the body is too large")
    if error.status_code >= 500:
        return DeltaError("something went wrong in the server; its log has more under this request id")
    return AnyHttpError(error.detail, status=error.status_code)


_MISSING = re.compile(r"Missing required (\w+) parameter '([^']+)'")


def _from_validation(error: ValidationException) -> DeltaError:
    """Litestar's list of wrong parameters; its own message repeats the URL with the query, so it is not used."""
    if missing := _MISSING.match(error.detail):
        return Invalid(f"the {missing[1]} parameter {missing[2]} is missing", field=missing[2])
    extra: Any = error.extra
    found = [item for item in extra if isinstance(item, dict)] if isinstance(extra, list) else []
    if any(item.get("key") == "data" and item.get("message") == "'data'" for item in found):
        return BadRequest("the body is empty: send a JSON object")  # a KeyError of Litestar's
    errors = [FieldError(str(item.get("key", "")), plain_message(str(item.get("message", "")))) for item in found]
    message = "; ".join(f"{item.field} {item.message}".strip() for item in errors)
    return Invalid(message or "a parameter is not valid", errors=errors)


def _headers(error: Exception, known: DeltaError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowedException):
        headers["allow"] = _allow(error)
    if (retry_after_s := getattr(known, "retry_after_s", None)) is not None:
        headers["retry-after"] = str(retry_after_s)
    if known.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="delta"'
    if known.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers["accept-encoding"] = ACCEPTED_ENCODINGS
    return headers


def _allow(error: MethodNotAllowedException) -> str:
    given = {key.lower(): value for key, value in (error.headers or {}).items()}.get("allow", "")
    methods = {method.strip() for method in given.split(",") if method.strip()}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _encode(problem: Problem) -> bytes:
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # a message that repeats a lone surrogate
        safe = problem.message.encode(errors="replace").decode()
        errors = [
            FieldError(*(text.encode(errors="replace").decode() for text in (e.field, e.message)))
            for e in problem.errors
        ]
        return msgspec.json.encode(msgspec.structs.replace(problem, detail=safe, message=safe, errors=errors))


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    state = request.scope["state"]
    error = rate_limits.instead_of(error, cast("Scope", request.scope))
    answer = failure(error, request_id=state["request_id"], now_ms=state["clock"].now_ms())
    state["exchange"].code = answer.code
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in otlp_protobuf.MEDIA_TYPES:  # OTLP's exporters, which are answered in their own form
        status = otlp_protobuf.status(answer.status, translate(error).message)
        return Response(status, status_code=answer.status, media_type=kind, headers=headers)
    if pages.is_wanted(request):
        page = pages.of_failure(request, answer.status, translate(error).message).encode(errors="replace")
        return Response(page, status_code=answer.status, media_type=MediaType.HTML, headers=headers | pages.HEADERS)
    form = form_of(request.app.state.problem_forms, request.scope["path"])
    body = form.write(answer.body, answer.status, translate(error).message) if form else answer.body
    return Response(body, status_code=answer.status, media_type=PROBLEM_JSON, headers=headers)
