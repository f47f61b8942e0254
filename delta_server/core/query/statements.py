"""The body of POST /v1/sql: one SELECT with its parameters."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

DEFAULT_ROWS = 1_000
MOST_ROWS = 10_000
MOST_PARAMS = 1_000


Param: TypeAlias = str | float | Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | bool | None


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`params` take the places of `?` in `sql`, in order."""

    sql: str
    params: Annotated[list[Param], Meta(max_length=MOST_PARAMS)] = []
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS
