"""The formulas of core/query/sketches.py as SQL. A histogram is a list of bucket << 40 | count, a set a list of
codes."""

import math

from delta_server.core.query.sketches import (
    ALPHA,
    GAMMA,
    MOST_BUCKET,
    PRECISION,
    RANK_BITS,
    REGISTERS,
    SHIFT,
    SIGMA_TERMS,
    TINY,
)

COUNT_BITS = 40
"""Of a histogram's entry: sorted, entries are by bucket."""
_COUNT = (1 << COUNT_BITS) - 1
_LOG_GAMMA = repr(math.log(GAMMA))
_RANKS = (1 << RANK_BITS) - 1


def bucket(value: str) -> str:
    """The bucket of a number, NULL for none."""
    log = f"ceil(ln({value}) / {_LOG_GAMMA})"
    return (
        f"CASE WHEN {value} > {TINY!r} THEN least(greatest(0, {log} + {SHIFT}), {MOST_BUCKET})::BIGINT"
        f" WHEN {value} IS NOT NULL THEN 0::BIGINT END"
    )


def middle(bucket: str) -> str:
    """A bucket's value."""
    scale = repr(2 / (GAMMA + 1))
    return f"coalesce({scale} * exp(nullif({bucket}, 0)::DOUBLE * {_LOG_GAMMA} - {SHIFT * math.log(GAMMA)!r}), 0)"


def entry(bucket: str, count: str = "1") -> str:
    return f"(({bucket} << {COUNT_BITS}) | {count})"


def bucket_of(entry: str) -> str:
    return f"({entry} >> {COUNT_BITS})"


def count_of(entry: str) -> str:
    return f"({entry} & {_COUNT})"


def nth(entries: str, number: str) -> str:
    """The value number `number` from 0 of a sorted histogram: counts are added up until they are more than that."""
    together = f"{count_of('found')} + {count_of('next')}"
    step = f"CASE WHEN {count_of('found')} > {number} THEN found ELSE {entry(bucket_of('next'), f'({together})')} END"
    return middle(bucket_of(f"list_reduce({entries}, lambda found, next: {step})"))


def code(text: str) -> str:
    """The code of a text, NULL for none. An MD5 takes half a microsecond: best of each text once."""
    number = f"md5_number_lower({text})"
    rest = f"({number} >> {PRECISION})::BIGINT"
    # Bits up to the lowest one are what changes when 1 is taken away; of no bits at all, 63 are, for 53.
    rank = f"least(bit_count(xor({rest}, {rest} - 1)), {64 - PRECISION + 1})"
    return f"((({number} & {REGISTERS - 1})::INTEGER << {RANK_BITS}) | {rank})::INTEGER"


def register(code: str) -> str:
    return f"({code} >> {RANK_BITS})"


def weight(code: str) -> str:
    """What a filled register adds to `distinct`."""
    return f"1 / (1::BIGINT << ({code} & {_RANKS}))::DOUBLE"


def distinct(filled: str, weights: str) -> str:
    """The estimate from how many registers are filled, at least one, and the sum of their weights."""
    empty = f"(1 - {filled} / {REGISTERS}::DOUBLE)"
    # As one lambda: to plan a statement with all the terms written out takes 5 ms.
    terms = f"list_transform({list(range(1, SIGMA_TERMS + 1))}, lambda n: {empty} ** (1 << n) * (1 << (n - 1)))"
    return f"{ALPHA * REGISTERS**2!r} / ({REGISTERS} * ({empty} + list_sum({terms})) + {weights})"
