"""How DuckDB reads the lines of tables that SQLite wrote: a file system of texts in memory, for fsspec."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec import AbstractFileSystem

from delta_server.storage.events.duckdb.virtual_files import ReadFile
from delta_server.storage.events.query.read_view import Pages, ReadView
from delta_server.storage.events.sql import views
from delta_server.storage.sql_view import View


class TableFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    protocol = ("table",)
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._texts: dict[str, bytes] = {}

    @contextmanager
    def holding(self, read_view: ReadView, name: str, view: View) -> Iterator[tuple[str, int]]:
        """(the path of a view's lines, how many), which can be opened within the block."""
        path = f"table://{read_view.token}/{name}"
        self._texts[path], count = views.lines(read_view, name, view)
        try:
            yield path, count
        finally:
            del self._texts[path]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        text = self._texts[path]
        return ReadFile(Pages(len(text), lambda offset, count: text[offset : offset + count]))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self._texts[path]), "type": "file"}

    def exists(self, path: str, **options: Any) -> bool:
        return path in self._texts

    def isfile(self, path: str) -> bool:
        return path in self._texts

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        return [path]
