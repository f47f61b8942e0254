"""How much tests of chance try: DELTA_FUZZ=10 makes it ten times as much. What they claim holds for every seed, so few
are enough before each commit."""

import os

FUZZ = int(os.environ.get("DELTA_FUZZ", "1"))


def seeds(count: int) -> range:
    return range(count * FUZZ)
