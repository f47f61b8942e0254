"""Messages of the Model Context Protocol: JSON-RPC 2.0, one a request (modelcontextprotocol.io, 2025-06-18)."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Id = str | int


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request, or without an `id` a notification, which is not answered. What a client answers has no `method`."""

    jsonrpc: Literal["2.0"]
    method: str = ""
    id: Id | UnsetType = UNSET
    params: dict[str, Any] = {}
    result: dict[str, Any] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class Fault(msgspec.Struct, frozen=True):
    code: int
    message: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`result` or `error`, one of them."""

    id: Id
    jsonrpc: str = msgspec.field(default_factory=lambda: "2.0")
    result: dict[str, Any] | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


EXAMPLE_CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "get_document", "arguments": {"endpoint": "GET /prices", "time": "24h"}},
}
EXAMPLE_ANSWER: dict[str, Any] = {
    "id": 1,
    "jsonrpc": "2.0",
    "result": {"content": [{"type": "text", "text": '{"EUR": 1.08}'}], "isError": False},
}

FIELDS = {
    "Answer.id": "The request's",
    "Answer.jsonrpc": "`2.0`",
    "Answer.result": "What was asked for; a tool that failed says so in it",
    "Answer.error": "Why there is no result",
    "Fault.code": "As JSON-RPC has them: -32601 for an unknown method, -32602 for wrong parameters",
    "Fault.message": "The same for people",
}
