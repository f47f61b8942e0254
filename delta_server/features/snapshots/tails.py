"""What endpoints end with, as the last round left them: while requests follow each other, it is not looked up for each.

Nothing relies on it: the writer looks once more, and what was made for another end is made again.
"""

from collections.abc import Sequence

import msgspec

from delta_server.features.snapshots.appending import CreatedSnapshots
from delta_server.features.snapshots.timeline import TailSnapshot, TimelineTail
from delta_server.storage.contents.contents import Content

MOST = 1024
ROUNDS = 8
"""So often it is taken over; then it is looked up, for the frames below may have become part of a pack."""


class RememberedTail(msgspec.Struct, frozen=True):
    """With its depth in frames, `rounds` after it was looked up."""

    tail: TimelineTail
    depth: int
    rounds: int = 0


class RememberedTails:
    """Used on the event loop."""

    def __init__(self) -> None:
        self._known: dict[int, RememberedTail] = {}

    def take(self, endpoint: int) -> RememberedTail | None:
        """It is forgotten with that."""
        return self._known.pop(endpoint, None)

    def remember(
        self,
        endpoint: int,
        before: RememberedTail,
        lasts: Sequence[TailSnapshot],
        written: Sequence[CreatedSnapshots | Exception],
    ) -> None:
        """After a round that was made for `before`: nothing where not all of it was written."""
        if before.rounds == ROUNDS or len(lasts) != len(written):
            return
        tail, depth = before.tail, before.depth
        for last, result in zip(lasts, written, strict=True):
            if not isinstance(result, CreatedSnapshots) or result.replayed:
                return
            head = tail.head
            if last.frame is not None:
                depth = last.frame.depth
                [(_, content)] = result.contents
                head = Content(content, endpoint, last.captured_at, last.frame.size, last.hash, None, None, dead=0)
            tail = TimelineTail(last.captured_at, head)
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[endpoint] = RememberedTail(tail, depth, before.rounds + 1)
