"""What a request spends its time on."""

import time

Step = str


class Steps:
    """`mark` says what has just ended: "resolve", "connect" (with TLS), "wait" (for the first byte), "read". Those of
    redirects are added up."""

    def __init__(self) -> None:
        self.ms: dict[Step, float] = {}
        self._last_s = time.monotonic()

    def mark(self, step: Step) -> None:
        now_s = time.monotonic()
        self.ms[step] = self.ms.get(step, 0.0) + (now_s - self._last_s) * 1000
        self._last_s = now_s

    def skip(self) -> None:
        """What has passed since the last one is none's."""
        self._last_s = time.monotonic()
