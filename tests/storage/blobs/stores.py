"""Stores whose answers differ where several replace one state: with generations, and one that heeds no condition."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

CONDITION = "x-goog-if-generation-match"


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def serving_generations() -> Iterator[str]:
    """The address of one bucket as Google Cloud Storage's XML API has it, as far as this needs it: conditions are on
    generations (https://cloud.google.com/storage/docs/xml-api/reference-headers)."""
    objects: dict[str, tuple[int, bytes]] = {}
    lock, generations = Lock(), iter(range(1_700_000_000, 1_800_000_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                wanted, (there, _) = self.headers[CONDITION], objects.get(self.path, (0, b""))
                if wanted is not None and int(wanted) != there:
                    return self._answer(412)
                objects[self.path] = next(generations), content
            return self._answer(200, *objects[self.path])

        def do_GET(self) -> None:
            self._answer(200, *objects[self.path]) if self.path in objects else self._answer(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self._answer(204 if objects.pop(self.path, None) else 404)

        def _answer(self, status: int, generation: int = 0, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("last-modified", "Sun, 29 Nov 2026 12:00:00 GMT")
            if generation:
                self.send_header("etag", f'"{generation:x}"')
                self.send_header("x-goog-generation", str(generation))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with _serving(Handler) as address:
        yield address


@contextmanager
def without_conditions(store: str) -> Iterator[str]:
    """The address of one that passes all on to an S3 but for conditions."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("if-")}
            connection = HTTPConnection(urlsplit(store).netloc)
            connection.request(
                self.command, self.path, self.rfile.read(int(self.headers.get("content-length", 0))), headers
            )
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        def do_GET(self) -> None:
            self.do_PUT()

        def do_HEAD(self) -> None:
            self.do_PUT()

        def do_DELETE(self) -> None:
            self.do_PUT()

        def do_POST(self) -> None:
            self.do_PUT()

        def log_message(self, *_: object) -> None: ...

    with _serving(Handler) as address:
        yield address
