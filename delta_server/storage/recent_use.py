"""How much computing each project has had lately: who had more than its share goes behind the others."""

import time
from collections.abc import Callable

HALF_S = 5.0
"""What was used so long ago counts half."""
FORGOTTEN_S = 0.005
_KEPT = 200


class RecentUse:
    """Used on one thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._used: dict[int, tuple[float, float]] = {}
        """Seconds by project, and when that was so."""

    def add(self, project: int, seconds: float) -> None:
        self._used[project] = self._seconds(project) + seconds, self._now_s()
        if len(self._used) > _KEPT:
            self._used = {project: self._used[project] for project in self._lately()}

    def is_more_than_share(self, project: int, *, sharers: int) -> bool:
        """Where so many projects share, some of which may have used nothing."""
        used = self._lately()
        return used.get(project, 0.0) * sharers > sum(used.values())

    def _lately(self) -> dict[int, float]:
        found = {project: self._seconds(project) for project in self._used}
        return {project: seconds for project, seconds in found.items() if seconds > FORGOTTEN_S}

    def _seconds(self, project: int) -> float:
        seconds, at_s = self._used.get(project, (0.0, 0.0))
        return seconds * float(0.5 ** ((self._now_s() - at_s) / HALF_S))
