"""What streams send of a block of events."""

import msgspec
import pytest

from delta_server.core.events.event import Event, lines
from delta_server.features.stream import frames


@pytest.mark.parametrize(("events", "is_packed"), [(1, False), (4, False), (5, True)])
def test_whole_blocks_are_sent_as_their_frames_are(
    events: int, is_packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are smaller until then where they are large."""
    monkeypatch.setattr(frames, "PIECE_BYTES", 1)
    stored = lines([event(seq) for seq in range(1, events + 1)])
    block = frames.whole_block(stored)
    sent = list(block.sent())
    assert (block.last, block.is_packed, len(sent)) == (events, is_packed, events)
    assert sent == [b"id: %d\n%b" % (frame.seq, frame.sent) for frame in frames.frames_of(stored)]
    assert (sum(map(len, block.pieces)) < sum(map(len, sent)) // 2) is is_packed


@pytest.mark.parametrize(
    ("body", "endpoint"), [(b'{"endpoint":{"id":"e"}}', "e"), (b'{"endpoint":null,"alert":{}}', ""), (b'{"a":1}', "")]
)
def test_what_happened_is_of_an_endpoint_or_of_none(body: bytes, endpoint: str) -> None:
    assert frames.of_happening(1, "alert.raised", 0, body).endpoint == endpoint


def event(seq: int) -> Event:
    data = msgspec.Raw(b'{"text":"%b"}' % (b"x" * 1_000))
    return Event(type="a", message_id=f"m{seq}", seq=seq, at=seq, received_at=seq, data=data)
