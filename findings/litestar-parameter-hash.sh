#!/usr/bin/env bash
# All query parameters of Litestar (2.25.0) have the same hash: it is made of the names of their fields, not of what is in
# them, after a deep copy of all of it. `typing` keeps each form of Annotated[...] by its hash, so each new declaration is
# compared with those before it, of the 128 that it keeps: importing an application of 200 parameters
# spends a sixth of its time on that. A subclass that is hashed and compared by identity is declared the same way.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install litestar==2.25.0
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from typing import Annotated, Union

from litestar.params import QueryParameter

compared = 0


class Counted(QueryParameter):
    def __eq__(self, other):
        global compared
        compared += 1
        return super().__eq__(other)

    __hash__ = QueryParameter.__hash__


class ByIdentity(Counted):
    __hash__ = object.__hash__


def comparisons(kind, count):
    """How often two declarations are compared while `count` different ones are made."""
    global compared
    compared = 0
    for number in range(count):
        Annotated[Union[int, None], kind(ge=number, description=f"Number {number}")]
    return compared


hashes = {hash(QueryParameter(ge=number, name=f"name{number}")) for number in range(100)}
theirs, ours = comparisons(Counted, 100), comparisons(ByIdentity, 100)
print(f"litestar {version('litestar')}, Python {sys.version.split()[0]}")
print(f"100 different parameters: {len(hashes)} hash; declared: {theirs} comparisons, {ours} when hashed by identity")
sys.exit(0 if len(hashes) == 1 and theirs > 1000 and ours < 100 else 1)
PYTHON
