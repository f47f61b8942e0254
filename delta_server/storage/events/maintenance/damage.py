"""Collects damage met on the way, and that cold storage does not answer: it is raised at the end, so that all else is
done first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from delta_server.core.errors import DatabaseFailed
from delta_server.storage.cold.pieces import ColdStorageAway


class ErrorCollector:
    def __init__(self) -> None:
        self._first: DatabaseFailed | ColdStorageAway | None = None

    @contextmanager
    def collecting(self, on_error: Callable[[], object] = lambda: None) -> Iterator[None]:
        """`on_error` is called when the block raised it."""
        try:
            yield
        except (DatabaseFailed, ColdStorageAway) as error:
            self._first = self._first or error
            on_error()

    def raise_first(self) -> None:
        """Raise the first."""
        if self._first is not None:
            raise self._first
