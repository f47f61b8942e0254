"""Damage that is met on the way: it is told at the end, and keeps nothing else waiting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from delta_server.core.errors import DatabaseFailed


class Damage:
    def __init__(self) -> None:
        self._first: DatabaseFailed | None = None

    @contextmanager
    def collected(self, remember: Callable[[], object] = lambda: None) -> Iterator[None]:
        """`remember` is called when the block met some."""
        try:
            yield
        except DatabaseFailed as error:
            self._first = self._first or error
            remember()

    def tell(self) -> None:
        """Raise the first."""
        if self._first is not None:
            raise self._first
