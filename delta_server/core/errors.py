"""The coded errors every layer raises where the fact is known; `http/errors.py` turns them into answers once."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One wrong part of the input: `field` is its path in the body or its parameter's name."""

    field: str
    message: str


class DeltaError(Exception):
    """Base of all expected failures. `message` says what to do next and is shown to the caller."""

    code = "INTERNAL_ERROR"
    status = 500
    members: Mapping[str, Any] = {}
    """What the answer says beside the message, for programs (RFC 9457 3.2)."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        errors: Sequence[FieldError] = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if members is not None:
            self.members = members
        self.errors = tuple(errors) if field is None else (FieldError(field, message), *errors)


class Invalid(DeltaError):
    """The request is understood but a value in it is not allowed."""

    code, status = "VALIDATION_ERROR", 400


class BadRequest(DeltaError):
    """The request cannot be read: broken JSON, a broken encoding, a broken cursor."""

    code, status = "BAD_REQUEST", 400


class DoesNotFit(DeltaError):
    """A document does not fit the schema of its endpoint; `errors` are the places."""

    code, status = "SCHEMA_MISMATCH", 422


class Unauthorized(DeltaError):
    code, status = "UNAUTHORIZED", 401


class Forbidden(DeltaError):
    code, status = "FORBIDDEN", 403


class NotFound(DeltaError):
    code, status = "NOT_FOUND", 404


class NotAcceptable(DeltaError):
    """The body comes in a media type or content encoding that is not understood here."""

    code, status = "BAD_REQUEST", 415


class Conflict(DeltaError):
    code, status = "CONFLICT", 409


class KeyReused(Conflict):
    """An Idempotency-Key came again with another request."""

    status = 422


class Refused(Conflict):
    """What was asked for conflicts with what is there; `members` tell a program how."""

    def __init__(self, message: str, *, code: str = "CONFLICT", members: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.members = members


class ResyncRequired(DeltaError):
    """A device has been away for too long, or a backup was restored: what it has must be compared with all there is."""

    code, status = "RESYNC_REQUIRED", 410

    def __init__(self, message: str, *, begin_at: str) -> None:
        super().__init__(message)
        self.members = {"resync": begin_at}


class TooLarge(DeltaError):
    code, status = "PAYLOAD_TOO_LARGE", 413


class TooCostly(DeltaError):
    """A query ran past its deadline or its memory; asking again would end the same."""

    code, status = "BAD_REQUEST", 400


class Unavailable(DeltaError):
    """The database cannot take the work now; the caller may try again after `retry_after_s`."""

    code, status = "DATABASE_ERROR", 503

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SpaceBusy(Unavailable):
    """An upload is being made visible: what is written to its space waits."""

    code = "SPACE_BUSY"


class ExternalFailed(DeltaError):
    """Another server, which this needs, does not answer or not as it should."""

    code, status = "EXTERNAL_SERVICE_ERROR", 502


class RateLimited(DeltaError):
    """The caller requests more, at once or a minute, than it may; it may try again after `retry_after_s`."""

    code, status = "RATE_LIMIT", 429

    def __init__(self, message: str, *, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Quota(msgspec.Struct, frozen=True):
    """What a project has of one row of its plan. `use` is None where it is not counted yet, `limit` None without any;
    `resets_at` is a time where the count begins again by itself."""

    name: str
    use: int | None
    limit: int | None
    resets_at: str | None


class QuotaExceeded(DeltaError):
    """The project would have more than its plan allows; nothing was changed. 429 where waiting helps, else 402."""

    code, status = "QUOTA_EXCEEDED", 402

    def __init__(self, message: str, quota: Quota, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.quota = quota
        self.retry_after_s = retry_after_s
        self.status = 402 if retry_after_s is None else 429


class DatabaseFailed(DeltaError):
    """Stored data could not be read or did not match its checksum."""

    code, status = "DATABASE_ERROR", 500
