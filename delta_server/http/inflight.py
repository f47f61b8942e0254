"""How much memory request bodies may take together: each is counted while it arrives, until its request is answered."""

from threading import Lock

from delta_server.core.errors import Unavailable

RETRY_AFTER_S = 2


class Inflight:
    """A budget of bytes for the bodies of all requests."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self.lock = Lock()


class Share:
    """What one request has of the budget. The thread that decodes a body takes from it too."""

    def __init__(self, whole: Inflight) -> None:
        self._whole = whole
        self._bytes = 0
        self._ended = False

    def take(self, size: int) -> None:
        """Raises Unavailable, and takes nothing, when less than `size` is left."""
        with self._whole.lock:
            # The caller may have gone while its body was decoded: nobody would give back what is taken now.
            if self._ended or self._whole.used_bytes + size > self._whole.limit_bytes:
                raise Unavailable("other requests are bringing too much at once", retry_after_s=RETRY_AFTER_S)
            self._whole.used_bytes += size
            self._bytes += size

    def give_back(self, size: int) -> None:
        with self._whole.lock:
            self._whole.used_bytes -= size
            self._bytes -= size

    def end(self) -> None:
        """The request is over: give back all."""
        with self._whole.lock:
            self._ended = True
            self._whole.used_bytes -= self._bytes
            self._bytes = 0
