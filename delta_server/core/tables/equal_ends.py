"""How many bytes two texts have in common: as fast as memory is compared."""

_PIECE_BYTES = 8 << 10
"""Of these one differs; where, halves of it tell."""


def at_start(a: bytes, b: bytes) -> int:
    at, least = 0, min(len(a), len(b))
    while at < least:
        stop = min(at + _PIECE_BYTES, least)
        if a[at:stop] != b[at:stop]:
            while stop - at > 1:
                middle = (at + stop) // 2
                if a[at:middle] == b[at:middle]:
                    at = middle
                else:
                    stop = middle
            return at
        at = stop
    return least


def at_end(a: bytes, b: bytes, most: int) -> int:
    """`most` of each, at most, are looked at."""
    at, size_a, size_b = 0, len(a), len(b)
    while at < most:
        stop = min(at + _PIECE_BYTES, most)
        if a[size_a - stop : size_a - at] != b[size_b - stop : size_b - at]:
            while stop - at > 1:
                middle = (at + stop) // 2
                if a[size_a - middle : size_a - at] == b[size_b - middle : size_b - at]:
                    at = middle
                else:
                    stop = middle
            return at
        at = stop
    return most
