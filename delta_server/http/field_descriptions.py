"""What the API's description says of the fields of answers that belong to no feature, and how it gets there."""

from collections.abc import Iterator, Mapping
from typing import Any

from delta_server.http.described import Schema

FIELDS = {
    "data": "The items of this page",
    "has_more": "Whether a next page exists",
    "next_cursor": "What `cursor` takes for the next page; null on the last one",
    "created_at": "When it was created",
    "updated_at": "When it was last changed",
    "name": "Its name",
    "description": "Free text of its owner",
    "took_ms": "Milliseconds that the answer took",
    "FieldError.field": "Path of the wrong value in the body, or the parameter's name",
    "FieldError.message": "What is wrong with it",
    "Problem.quota": "What of the project's plan is used up, where that is why",
    "Problem.type": "URN of the kind of problem",
    "Problem.title": "The kind of problem in words",
    "Problem.status": "The HTTP status",
    "Problem.detail": "What is wrong and what to do",
    "Problem.code": "The kind of problem, for programs",
    "Problem.message": "The same as `detail`",
    "Problem.request_id": "Id of the request, which the server's log has too",
    "Problem.timestamp": "When the request failed",
    "Problem.errors": "Each value that is wrong",
    "Problem.error": "The same as `title`",
    "Problem.statusCode": "The same as `status`",
    "Problem.requestId": "The same as `request_id`",
    "Alive.status": "`ok`, or `failing` when the database does not answer",
    "Alive.server": "`ok`: it answered",
    "Alive.database": "Whether the database answers",
    "Summary.status": "The worst state of the dependencies",
    "Summary.dependencies": "State of each part that requests need",
    "Summary.timestamp": "When this was measured",
    "Summary.details": "More, with an account's key only",
    "Health.status": "The worst state of the dependencies",
    "Health.dependencies": "State of each part that requests need",
    "Health.reasons": "Why the server is not healthy",
    "Health.version": "Version of the server",
    "Health.uptime_s": "Seconds since the server started",
    "Health.database": "Measurements of the database; null when it does not answer",
    "Health.queues": "Rows that wait for background work, by queue",
    "Health.disk_free_bytes": "Free space where the data directory is",
    "Health.cache_bytes": "Memory that the cache takes",
    "Health.loops": "The background loops",
    "LoopHealth.name": "Name of the loop",
    "LoopHealth.running": "False while it waits after a failure",
    "LoopHealth.failures": "How often it failed since the server started",
    "LoopHealth.last_failed_at": "When it last failed",
    "DatabaseStats.database_bytes": "Size of the database file, without its write-ahead log",
    "DatabaseStats.log_bytes": "Size of the write-ahead log",
    "DatabaseStats.free_bytes": "Unused space inside the database file",
    "DatabaseStats.writes_waiting": "Writes in the queue",
    "DatabaseStats.reads_waiting": "Reads that run or wait for a thread",
    "DatabaseStats.writes": "Writes committed since the start",
    "DatabaseStats.slow_writes": "Writes that took longer than 50 ms",
    "DatabaseStats.commits": "Transactions committed since the start",
    "DatabaseStats.commit_failures": "Transactions that could not be committed",
    "DatabaseStats.last_commit_failed": "Whether the last transaction failed",
    "DatabaseStats.disk_full": "Whether only what frees space is written",
}
"""As Feature.fields."""


def add(document: Schema, fields: Mapping[str, str]) -> None:
    """Describe the fields of what is answered, in place."""
    schemas = document["components"]["schemas"]
    waiting = [
        name
        for operations in document["paths"].values()
        for operation in operations.values()
        for name in _named(operation["responses"])
    ]
    done = set()
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            for field, schema in schemas[name].get("properties", {}).items():
                said = fields.get(f"{name}.{field}") or fields.get(field)
                if said is not None:
                    schema.setdefault("description", said)
            waiting.extend(_named(schemas[name]))


def _named(part: Any) -> Iterator[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _named(each)
