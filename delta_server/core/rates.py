"""How many requests a minute somebody may make: the generic cell rate algorithm (GCRA, ITU-T I.371) as pure functions.

One number is kept of whoever is limited, the theoretical arrival time: when all that was taken so far would have come
had it come evenly. A whole minute's requests may come at once; from then on each waits for its place.
All times are whole nanoseconds, so that nothing is rounded away however fast they come.
"""

import msgspec

MINUTE_NS = 60_000_000_000


class Rate(msgspec.Struct, frozen=True):
    """`limit` requests (at least one) a minute."""

    limit: int


class Verdict(msgspec.Struct, frozen=True):
    """What one request was answered. `arrival_ns` is to be kept: a refused request has not changed it."""

    allowed: bool
    arrival_ns: int
    limit: int
    remaining: int
    """How many more may come at once."""
    reset_s: int
    """Until all of `limit` may come at once again, rounded up."""
    retry_after_s: int
    """Until the next may come, rounded up; 0 when it was allowed."""


def take(rate: Rate, arrival_ns: int, now_ns: int) -> Verdict:
    """One request at `now_ns` of somebody of whom `arrival_ns` was kept; 0 stands for who is new.

    What was kept never lies further ahead than a minute's requests, unless the clock was set back or the limit was
    another one: nobody waits for that. Further than two minutes ahead it says nothing of now.
    """
    each_ns = MINUTE_NS // rate.limit
    most_ns = now_ns + each_ns * rate.limit
    if arrival_ns > now_ns + 2 * MINUTE_NS:
        arrival_ns = 0
    arrival_ns = min(max(arrival_ns, now_ns), most_ns)
    taken_ns = arrival_ns + each_ns
    if taken_ns > most_ns:
        return Verdict(
            allowed=False,
            arrival_ns=arrival_ns,
            limit=rate.limit,
            remaining=0,
            reset_s=_seconds(arrival_ns - now_ns),
            retry_after_s=_seconds(taken_ns - most_ns),
        )
    return Verdict(
        allowed=True,
        arrival_ns=taken_ns,
        limit=rate.limit,
        remaining=(most_ns - taken_ns) // each_ns,
        reset_s=_seconds(taken_ns - now_ns),
        retry_after_s=0,
    )


def _seconds(time_ns: int) -> int:
    return -(-time_ns // 1_000_000_000)
