"""How many events were refused since the server started, by the key that sent them and the error's code: most clients
read no answer, so this and the log are where somebody notices."""

import msgspec


class Refused(msgspec.Struct):
    """`key` is the id of the sender's API key, `reason` the code in answers; requests that were refused as a
    whole count as one."""

    key: str
    reason: str
    count: int
    last_at: int


class Refusals:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._found: dict[int, dict[tuple[str, str], Refused]] = {}

    def add(self, project: int, key: str, reason: str, count: int, now_ms: int) -> None:
        of_project = self._found.setdefault(project, {})
        found = of_project.setdefault((key, reason), Refused(key, reason, 0, now_ms))
        found.count += count
        found.last_at = now_ms

    def of(self, project: int) -> list[Refused]:
        """Those of a project, most first."""
        return sorted(self._found.get(project, {}).values(), key=lambda one: (-one.count, one.key, one.reason))
