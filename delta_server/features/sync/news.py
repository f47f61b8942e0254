"""Which data types of a space have something new, and up to which number, as server-sent events.

Said after the commit. An event's id says what its client has heard of, so one that comes back hears at once what
it missed; one that never heard anything hears of all there is, and compares with what it has.
"""

import re
from collections.abc import AsyncGenerator, Callable
from functools import partial

import msgspec

from delta_server.core.errors import Invalid
from delta_server.features.stream.service import END, HEARTBEAT, HEARTBEAT_S
from delta_server.features.sync import store
from delta_server.features.sync.spaces import NEWS, Whose
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.tasks.shared import LastLooks

_TYPES_AT_ONCE = 100
_ID = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})")

Render = Callable[[str, int], bytes]
"""The lines of an event, by data type and number, but for its id."""


class Heard(msgspec.Struct, frozen=True):
    """All numbers of the epoch up to `seq`."""

    epoch: bytes = b""
    seq: int = 0


class _Look(msgspec.Struct, frozen=True):
    """What is new after some number. `newest` is at least the number of the last of `found`."""

    epoch: bytes
    newest: int
    found: list[tuple[str, int]]


class _Looks(LastLooks[_Look]):
    """Of the streams of news."""


def _look(tx: Tx, whose: Whose, heard: Heard) -> _Look:
    epoch, space = store.epoch(tx), store.space(tx, whose.project, whose.owner)
    if space is None:
        return _Look(epoch, 0, [])
    after = heard.seq if heard.epoch == epoch and heard.seq <= space.seq else 0
    found = store.news(tx, space.id, after, _TYPES_AT_ONCE)
    return _Look(epoch, found[-1][1] if len(found) == _TYPES_AT_ONCE else space.seq, found)


def parse_last_id(text: str) -> Heard:
    """Of a Last-Event-ID header, which may be empty. Raises Invalid."""
    found = _ID.fullmatch(text)
    if found is None and text:
        raise Invalid("Last-Event-ID must be an id that this stream has sent", field="Last-Event-ID")
    return Heard() if found is None else Heard(bytes.fromhex(found[1]), int(found[2]))


def of_news(data_type: str, version: int) -> bytes:
    return b"event: news\ndata: %b\n\n" % msgspec.json.encode({"data_type": data_type, "version": version})


async def follow(
    svc: Services,
    whose: Whose,
    heard: Heard,
    *,
    is_allowed: Callable[[], bool],
    abort: Callable[[], None] | None = None,
    data_type: str | None = None,
    render: Render = of_news,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the stream, of one data type or of all, until the client or the server goes, or the caller may no
    longer read."""
    with svc.live.reading(whose.project, abort):
        signal, looks = svc.topics.signal(NEWS, (whose.project, whose.owner)), svc.state(_Looks)
        yield b"retry: 2000\n\n"
        while not svc.live.stopping and is_allowed():
            count = signal.count
            look = looks.get(signal, heard, partial(svc.db.peek, _look, whose, heard))
            heard = Heard(look.epoch, look.newest)
            fresh = [(name, seq) for name, seq in look.found if data_type in (None, name)]
            if fresh:
                ids = [seq for _, seq in fresh[:-1]] + [look.newest]
                yield b"".join(
                    b"id: %b-%d\n%b" % (look.epoch.hex().encode(), id, render(name, seq))
                    for id, (name, seq) in zip(ids, fresh, strict=True)
                )
            elif not look.found and not await signal.wait(HEARTBEAT_S, since=count):
                yield HEARTBEAT
        if not svc.live.stopping:
            yield END
