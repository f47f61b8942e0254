"""A source for the browser's tests: it answers by path, and says what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


class Answer(msgspec.Struct, frozen=True):
    body: bytes = b""
    status: int = 200
    type: str = "application/json"
    etag: str | None = None


class Source(msgspec.Struct):
    """`say` is given the path and the header Authorization."""

    say: Callable[[str, str], Answer]
    url: str = ""
    asked: list[str] = []


@contextmanager
def source(say: Callable[[str, str], Answer]) -> Iterator[Source]:
    told = Source(say)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            answer = told.say(self.path, self.headers.get("authorization", ""))
            is_known = answer.etag is not None and self.headers.get("if-none-match") == answer.etag
            self.send_response(304 if is_known else answer.status)
            self.send_header("content-type", answer.type)
            if answer.etag is not None:
                self.send_header("etag", answer.etag)
            self.end_headers()
            if not is_known:
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as told.url:
        yield told


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on loopback, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
