"""Until when the background leaves a project alone, by the wall clock, which may be set."""

LONGEST_MS = 600_000


class Pauses:
    """By project. A clock that is set back ends a pause; one that is set forward while the time is taken that it is
    reckoned from makes it LONGEST_MS at most."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[int, int]] = {}

    def begin(self, project: int, now_ms: int, pause_ms: int) -> None:
        self._spans[project] = now_ms, now_ms + min(pause_ms, LONGEST_MS)

    def holds(self, project: int, now_ms: int) -> bool:
        begin, end = self._spans.get(project, (0, 0))
        return begin <= now_ms < end
