"""Work that is worth doing only while its caller waits. Neither uvicorn nor Litestar ends a handler when they leave."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from litestar import Request

from delta_server.core.errors import DeltaError, Unauthorized
from delta_server.http.auth import is_still_allowed
from delta_server.services import Services

T = TypeVar("T")


class ClientGone(DeltaError):
    """The caller closed the connection. Nobody reads the answer; the status (nginx's) stands in log and metrics."""

    code, status = "BAD_REQUEST", 499


async def while_connected(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """`work`'s result; it is cancelled when the client goes away, and ClientGone raised.

    The request's body must have been read, if it has one that is wanted.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_client_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        leaving.result()  # raises what is wrong with a body that was still to come
        raise ClientGone("the client closed the connection before it was answered")
    finally:
        await _ended_task(working, leaving)


async def while_allowed(
    request: Request[Any, Any, Any], pieces: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """`pieces`, which are closed at the end. Raises Unauthorized, which breaks the connection, when the request's key
    is no longer let in: it was revoked or has expired, or its project is deleted."""
    try:
        async for piece in pieces:
            if not is_still_allowed(request):
                raise Unauthorized("the key was revoked or has expired")
            yield piece
    finally:
        await pieces.aclose()


async def run_in_turn(
    request: Request[Any, Any, Any],
    services: Services,
    project: int,
    work: Callable[[Services], Coroutine[Any, Any, T]],
) -> T:
    """`work`'s result, for what may compute long while its caller waits: it begins when the turn of the project has
    come, and among its requests that of the route, and is given services whose `spare_cpu` is the turn's thread. Ends
    as `while_connected` and `FairThreadPool.turn` do."""
    route = str(request.scope["path_template"])

    async def in_its_turn() -> T:
        async with services.fair_cpu.turn(project, kind=route) as thread:
            return await work(msgspec.structs.replace(services, spare_cpu=thread))

    return await while_connected(request, in_its_turn())


async def _client_left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended_task(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
