"""Answers of server-sent events (the HTML standard, 9.2)."""

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

import msgspec
from litestar import Request
from litestar.response import Stream

from delta_server.http.auth import is_still_allowed
from delta_server.http.server import ABORT

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class StreamClient(msgspec.Struct, frozen=True):
    """Who follows a stream: whether it still may, and what closes its connection, where that is known."""

    is_allowed: Callable[[], bool]
    abort: Callable[[], None] | None


def client_of(request: Request[Any, Any, Any]) -> StreamClient:
    return StreamClient(partial(is_still_allowed, request), request.scope["state"].get(ABORT))


def answer(pieces: AsyncGenerator[bytes, None]) -> Stream:
    return Stream(pieces, media_type="text/event-stream", headers=_HEADERS)
