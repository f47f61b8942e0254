"""What is answered to each method of the protocol. There are no sessions: each request stands for itself."""

from typing import Any

import msgspec

from delta_server import __version__
from delta_server.core.caller import Caller
from delta_server.core.errors import DeltaError
from delta_server.features.mcp import tools
from delta_server.services import Services

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol that are spoken, the newest first: what they differ in is not used here."""
UNKNOWN_METHOD, WRONG_PARAMETERS = -32601, -32602
_INSTRUCTIONS = (
    "Delta keeps the history of JSON documents (endpoints) and of events. Begin with list_endpoints. Everything is "
    "read only, and of one project."
)


class Refused(Exception):
    """A request that has no result: `code` is JSON-RPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


async def answer(svc: Services, caller: Caller, project: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result. Raises Refused."""
    if method == "initialize":
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "delta-server", "title": "Delta", "version": __version__},
            "instructions": _INSTRUCTIONS,
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": [tools.described(tool) for tool in tools.TOOLS if caller.may(tool.scope)]}
    if method == "tools/call":
        return await _call(svc, caller, project, params)
    raise Refused(UNKNOWN_METHOD, "there is no such method: this server has tools/list and tools/call")


async def _call(svc: Services, caller: Caller, project: int, params: dict[str, Any]) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments") or {}
    tool = tools.BY_NAME.get(name) if isinstance(name, str) else None
    if tool is None or not isinstance(arguments, dict):
        raise Refused(WRONG_PARAMETERS, "name must be one of " + ", ".join(tools.BY_NAME) + ", arguments an object")
    try:
        caller.require(tool.scope)
        return _content(await tools.call(svc, project, tool, arguments), is_error=False)
    except (DeltaError, msgspec.ValidationError) as error:
        return _content(getattr(error, "message", None) or str(error), is_error=True)


def _content(text: str, *, is_error: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}
