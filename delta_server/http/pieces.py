"""An answer in several pieces, of which one is large and others hold it too: it is sent as it is, not copied."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send


class InPieces(Response[None]):
    def __init__(self, pieces: Sequence[bytes], *, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(None, media_type=media_type, headers=headers)
        self._pieces = pieces

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], *, headers: Any = None, **given: Any
    ) -> ASGIResponse:
        return _AsgiPieces(
            self._pieces,
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code or given.get("status_code"),
        )


class _AsgiPieces(ASGIResponse):
    __slots__ = ("_pieces",)

    def __init__(self, pieces: Sequence[bytes], **how: Any) -> None:
        super().__init__(content_length=sum(map(len, pieces)), **how)
        self._pieces = pieces

    async def send_body(self, send: Send, receive: Receive) -> None:
        *firsts, last = self._pieces
        for piece in firsts:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": last, "more_body": False})
