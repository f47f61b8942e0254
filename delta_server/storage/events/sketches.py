"""The formulas of core/sketches.py as SQL. A histogram is a list of count << 16 | bucket, a set a list of codes."""

import math

from delta_server.core.sketches import (
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

_LOG_GAMMA = repr(math.log(GAMMA))
_RANKS = (1 << RANK_BITS) - 1


def bucket(value: str) -> str:
    """The bucket of a number, NULL for none."""
    log = f"ceil(ln({value}) / {_LOG_GAMMA})"
    return (
        f"CASE WHEN {value} > {TINY!r} THEN least(greatest(0, {log} + {SHIFT}), {MOST_BUCKET})::UBIGINT"
        f" WHEN {value} IS NOT NULL THEN 0::UBIGINT END"
    )


def middle(bucket: str) -> str:
    """A bucket's value."""
    exponent = f"({bucket}::DOUBLE - {SHIFT}) * {_LOG_GAMMA}"
    return f"CASE WHEN {bucket} > 0 THEN 2 * exp({exponent}) / {GAMMA + 1!r} ELSE 0 END"


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
    sigma = " + ".join([empty, *(f"{empty} ** {1 << n} * {1 << (n - 1)}" for n in range(1, SIGMA_TERMS + 1))])
    return f"{ALPHA * REGISTERS**2!r} / ({REGISTERS} * ({sigma}) + {weights})"
