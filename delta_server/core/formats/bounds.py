"""What a document in another format may be at most, and how one is refused."""

from delta_server.core.errors import BadRequest

MAX_DEPTH = 200
MAX_VALUES = 500_000
"""Of XML, YAML, TOML, CSV and iCalendar: what is made of them takes a hundred bytes each. JSON stays as it is."""


class NotReadable(BadRequest):
    """The body is not what it is said or found to be, or too much of it."""


class Count:
    """Of the values that a document is made into; raises NotReadable past MAX_VALUES."""

    def __init__(self, what: str, most: int = MAX_VALUES) -> None:
        self.what = what
        self._left = self._most = most

    def add(self, values: int = 1) -> None:
        self._left -= values
        if self._left < 0:
            raise NotReadable(f"the {self.what} has more than {self._most:,} values")

    def check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise NotReadable(f"the {self.what} is nested more than {MAX_DEPTH} levels deep")
