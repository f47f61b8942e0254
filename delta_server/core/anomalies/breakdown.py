"""What contributed most to a number that was unusual: its parts then, beside what they are usually."""

from collections.abc import Mapping

import msgspec

MOST = 3
_LEAST_SHARE = 0.1
MOST_CHARS = 100


class Contribution(msgspec.Struct, frozen=True):
    """`share` is that of the whole difference."""

    name: str
    value: float
    usual: float
    share: float


def contributions(now: Mapping[str, float], usual: Mapping[str, float]) -> list[Contribution]:
    """Those that went the way of the whole, the largest first. None where a single part is the whole."""
    names = {*now, *usual}
    if len(names) < 2:
        return []
    by_name = {name: now.get(name, 0.0) - usual.get(name, 0.0) for name in names}
    whole = sum(by_name.values())
    if not whole:
        return []
    ranked = sorted(names, key=lambda name: (-by_name[name] / whole, name))[:MOST]
    return [
        Contribution(name[:MOST_CHARS], now.get(name, 0.0), usual.get(name, 0.0), round(by_name[name] / whole, 4))
        for name in ranked
        if by_name[name] / whole >= _LEAST_SHARE
    ]
