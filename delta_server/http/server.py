"""uvicorn's HTTP protocol with the limits it lacks.

- A request's head may be MAX_HEAD_BYTES large and take HEAD_SECONDS, and so may what surrounds a body in chunks:
  extensions, and fields behind it, which are dropped.
- What one read brings is parsed in pieces (intake.py), and nothing behind a request that waits for its turn.
- A client that takes no byte of an answer for STALL_SECONDS is disconnected.
- A request that is answered before its body is complete ends its connection, since nothing else bounds how long the
  rest may take; so does one that cannot be parsed. What still comes is read and dropped for LINGER_SECONDS: a
  connection closed with unread data is reset, and the client might not see why (RFC 9112 9.6).
- There are at most as many connections as the configuration says and open files allow, half of them of one address.
  Idle ones make room for new ones, then those whose answer is written, then bodies of callers that are not known.
"""

import asyncio
import socket
import ssl
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from delta_server.http.intake import Intake
from delta_server.http.places import Places

ABORT = "abort"
"""In a scope's state: closes the connection at once, whatever is still to be sent. Only under uvicorn."""
BODY_PENDING = "body_pending"
"""In a scope's state: whether some of the request's body is still to come. Only under uvicorn."""
NOTE_CALLER = "note_caller"
"""In a scope's state: to be called when it is known whose request it is. Only under uvicorn."""
TAKEN = "taken"
"""In a scope's state: waits until the client has taken most of what was sent to it. Only under uvicorn."""

MAX_HEAD_BYTES = 64 << 10
HEAD_SECONDS = 20
STALL_SECONDS = 30
LINGER_SECONDS = 5
UNSENT_BYTES = 256 << 10
"""What the kernel may queue of an answer: with more, a slow reader looks like one that has stopped."""
SMALL_BYTES = 16 << 10
"""Writes up to this size leave the kernel's queue as it is: bounding it costs a small answer a tenth of its time."""
RESERVED_FILES = 256
"""Open files for everything but connections: the database, segments, sockets."""

_REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\n"
    b"content-type: text/plain\r\ncontent-length: 46\r\n\r\nthe server has too many connections, try again"
)
_UNREADABLE = (
    b"HTTP/1.1 400 Bad Request\r\n%bconnection: close\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n\r\n%b"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. See above."""

    _intake: Intake
    _answer: "_AnswerTransport | None" = None
    _head_bytes = 0
    _head_timer: Any = None
    _stall_timer: Any = None
    _idle_since = 0.0
    _is_lingering = False
    _is_refused = False
    """It has no place, and may read so."""
    _address = ""
    _body_left = 0
    _framing_bytes = 0
    """What has come since the last byte of a body in chunks."""

    def __init__(self, *args: Any, places: Places, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._caller = _Caller()

    # Connections

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._intake = Intake(
            transport, self._feed, body_left=lambda: self._body_left, is_held=lambda: bool(self.pipeline)
        )
        self.flow = FlowControl(self._intake)  # type: ignore[arg-type]  # it stops and resumes the reading, and is all that is asked of it
        self._idle_since = self.loop.time()
        self._address = self._places.take(self.client)
        if not self._has_place():
            self._refuse()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.give_back(self._address, is_refused=self._is_refused)
        self._intake.close()
        self._head_came()
        self._stop_watching()
        if self._answer is not None:
            self._answer.let_go()
        super().connection_lost(exc)

    def _has_place(self) -> bool:
        """Whether it may stay, where need be in the place of another."""
        is_over_share = self._places.is_over_share(self._address)
        if len(self.connections) - self._places.refused <= self._places.most and not is_over_share:
            return True
        open_ones: list[Any] = [each for each in self.connections if not each.transport.is_closing()]
        others = [each for each in open_ones if each is not self and not each._is_refused]
        if is_over_share:
            return _make_room([each for each in others if each._address == self._address])
        return len(others) < self._places.most or _make_room(others)

    def _refuse(self) -> None:
        """It can read that while still sending, unless many are refused at once."""
        self.transport.write(_REFUSED)
        self._is_refused = self._places.refuse(self._address)
        self._end(lambda: self._is_refused)

    # Requests

    def data_received(self, data: bytes) -> None:
        self._intake.receive(data)

    def _feed(self, data: bytes | memoryview) -> None:
        if self._is_lingering:
            return
        waiting = self._head_timer is not None
        self._framing_bytes += len(data)
        super().data_received(data)  # type: ignore[arg-type]  # the parser takes any buffer
        if waiting and self._head_timer is not None:
            self._count(len(data))
        elif self._framing_bytes > MAX_HEAD_BYTES and self._is_in_body():
            self.send_400_response("There is too much around the request's body.")
        elif not waiting and _is_idle(self):  # bytes that begin no request: uvicorn has taken its timer off
            self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][ABORT] = self.transport.abort
        self.scope["state"][TAKEN] = self.flow.drain
        self._caller = _Caller()
        self.scope["state"][NOTE_CALLER] = self._caller.note
        if self._head_timer is None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_timer is not None:  # else it stands behind the body
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_came()
        fields = sum([len(name) + len(value) for name, value in self.headers])
        if len(self.url) + fields + len(": \r\n") * len(self.headers) > MAX_HEAD_BYTES:
            raise ValueError("the request's head is too large")  # uvicorn answers with 400
        super().on_headers_complete()
        self._body_left = int(dict(self.headers).get(b"content-length", b"0"))
        self._framing_bytes = 0
        # Not by strong references: what a request holds goes with it, without the collector.
        has_more = partial(_has_more, weakref.ref(self.cycle))
        self.scope["state"][BODY_PENDING] = has_more
        answer = _AnswerTransport(self.transport, partial(self._end, has_more), self.loop)
        self.cycle.transport = answer  # type: ignore[assignment]  # it writes to the transport, and is none
        self._answer = answer

    def on_body(self, body: bytes) -> None:
        self._body_left -= len(body)
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_left = 0
        super().on_message_complete()

    def _is_in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self._is_lingering

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_head)

    def _end_head(self) -> None:
        """The head took too long; but while an answer is made, what comes behind its request is not read."""
        if _is_idle(self):
            self._close()
        else:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_head)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _count(self, size: int) -> None:
        """Count what has come of a head that is not whole yet."""
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES and not self._is_lingering:
            self.send_400_response("The request's head is too large.")

    # Answers

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, but its client can read it while still sending."""
        if self._answer is not None:
            self._answer.flush()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._head_came()
        shared = b"".join([name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers])
        self.transport.write(_UNREADABLE % (shared, len(msg), msg.encode("ascii")))
        self._linger()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        if not self._is_lingering:
            super().on_response_complete()
            self._intake.look_again()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_watching()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _end(self, has_more: Callable[[], bool]) -> None:
        """The answer is written and the connection is to be closed."""
        if not has_more() or self.transport.is_closing():
            self._close()
            return
        self._linger()

    def _linger(self) -> None:
        """Close soon, and drop what comes until then."""
        self._is_lingering = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():  # TLS has no half of a connection
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self._close)

    def _close(self) -> None:
        """Close once what is written is sent, or the client has stopped reading it."""
        if not self.transport.is_closing():
            self.transport.close()
            self._watch()

    def _watch(self) -> None:
        self._stop_watching()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            self._stall_timer = self.loop.call_later(STALL_SECONDS, self._check_progress, unsent)

    def _check_progress(self, unsent_before: int) -> None:
        if self.transport.get_write_buffer_size() < unsent_before:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


class _AnswerTransport:
    """What uvicorn writes one answer to. The head waits for the body that comes with it: one write, not two, each of
    which wakes the client up. Where none comes at once, as on a stream, it goes in the loop's next turn."""

    def __init__(self, transport: Any, end: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._end = end
        self._loop = loop
        self._head: bytes | None = None
        self._has_begun = False
        self._is_bounded = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._head = data
            self._loop.call_soon(self.flush)
            return
        if self._head is not None:
            data, self._head = self._head + data, None
        self._write(data)

    def flush(self) -> None:
        """Send the head if it still waits."""
        if self._head is not None:
            data, self._head = self._head, None
            self._write(data)

    def close(self) -> None:
        self.flush()
        self._end()

    def let_go(self) -> None:
        """Of the connection, which is closed and holds this."""
        self._end = _nothing

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if len(data) > SMALL_BYTES and not self._is_bounded:
            self._is_bounded = True
            connection = self._transport.get_extra_info("socket")
            if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._transport.write(data)


def _nothing() -> None:
    """There is nothing to end any more."""


def _has_more(of: "weakref.ref[RequestResponseCycle]") -> bool:
    """Some of the request's body is still to come."""
    cycle = of()
    return cycle is not None and cycle.more_body


def _is_idle(connection: Any) -> bool:
    cycle = connection.cycle
    return not connection._is_lingering and (cycle is None or cycle.response_complete)


def _is_lingering(connection: Any) -> bool:
    return bool(connection._is_lingering)


def _is_body_of_nobody(connection: Any) -> bool:
    """It still sends a body, and no key has said whose."""
    return connection._is_in_body() and not connection._caller.is_known


def _make_room(connections: list[Any]) -> bool:
    """Close the one of them that can be spared best and has been there for longest; False if all are busy."""
    for can_be_spared in (_is_idle, _is_lingering, _is_body_of_nobody):
        if spare := [each for each in connections if can_be_spared(each)]:
            min(spare, key=lambda each: each._idle_since).transport.abort()
            return True
    return False


class _Caller:
    """Of one request. It refers to nothing, so that what a connection held goes with it."""

    is_known = False

    def note(self) -> None:
        self.is_known = True


def most_connections(wanted: int) -> int:
    """At most `wanted`, and as many as the files this process may open leave room for. Raises that limit first."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = wanted if soft == resource.RLIM_INFINITY else soft - RESERVED_FILES
    return max(16, min(wanted, room))


def uvicorn_config(
    application: Any,
    *,
    connections: int,
    note_refused: Callable[[], None],
    shutdown_seconds: int,
    trusted_proxies: tuple[str, ...] = (),
    tls: ssl.SSLContext | None = None,
) -> uvicorn.Config:
    """uvicorn without logs, headers and guesses about proxies of its own."""
    return uvicorn.Config(
        application,
        http=partial(BoundedProtocol, places=Places(connections, trusted_proxies, note_refused)),  # type: ignore[arg-type]  # uvicorn calls what it is given, a class or not
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=shutdown_seconds,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
