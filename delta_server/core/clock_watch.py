"""Whether the wall clock was set, by comparison with a monotonic clock."""

JUMP_MS = 10_000
"""Less is what time servers correct, or a machine that was busy."""
REPORTED_S = 3600.0


class ClockWatch:
    def __init__(self, now_ms: int, steady_s: float) -> None:
        """The time by the wall clock, and by one that only goes on."""
        self._now_ms, self._steady_s = now_ms, steady_s
        self._jump_ms, self._jumped_s = 0, 0.0

    def jump_ms(self, now_ms: int, steady_s: float) -> int:
        """By how much the clock was set since this was last called, 0 where it was not."""
        jump_ms = now_ms - self._now_ms - round((steady_s - self._steady_s) * 1000)
        self._now_ms, self._steady_s = now_ms, steady_s
        return jump_ms if abs(jump_ms) >= JUMP_MS else 0

    def check(self, now_ms: int, steady_s: float) -> str | None:
        """A sentence for an hour after a jump was seen, which is when this is next called."""
        if jump_ms := self.jump_ms(now_ms, steady_s):
            self._jump_ms, self._jumped_s = jump_ms, steady_s
        if not self._jump_ms or steady_s - self._jumped_s >= REPORTED_S:
            return None
        way = "forward" if self._jump_ms > 0 else "back"
        return f"the clock was set {way} by {abs(self._jump_ms) // 1000} s: what came since has times by the new one"
