"""What is watched in documents: numbers, of several records their sum; and the values of fields that are codes."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys
from delta_server.core.errors import Invalid
from delta_server.core.history import series
from delta_server.core.history.series import Reader, Reading
from delta_server.core.json import slices, surrogates

MOST_SUMMED = 5_000
"""Records of one version."""


class Watched(msgspec.Struct, frozen=True):
    """Paths, `*` is any record."""

    numbers: Sequence[str]
    codes: Sequence[str]


class Found(msgspec.Struct, frozen=True):
    """Of one document, in the order of the paths."""

    numbers: list[float | None]
    codes: list[list[str]]


def read(watched: Watched, settings: DiffSettings, known: KnownKeys, bodies: Sequence[bytes]) -> list[Found]:
    numbers = [_read(path, settings, known, bodies, of_any_kind=False) for path in watched.numbers]
    codes = [_read(path, settings, known, bodies, of_any_kind=True) for path in watched.codes]
    return [
        Found([total(readings[at]) for readings in numbers], [_texts(readings[at]) for readings in codes])
        for at in range(len(bodies))
    ]


def records(path: str, settings: DiffSettings, known: KnownKeys, body: bytes) -> dict[str, float]:
    """By record, what is summed."""
    [reading] = _read(path, settings, known, [body], of_any_kind=False)
    return {record: float(raw) for record, raw in list(reading.items())[:MOST_SUMMED]}


def sizes(body: bytes) -> dict[str, float]:
    """Bytes of each member of a document, or of its elements all together."""
    raw = surrogates.hide(body).strip(slices.WHITESPACE)
    if raw[:1] == b"{":
        return {name: float(len(bytes(member))) for name, member in slices.members(raw).items()}
    return {"": float(len(raw))}


def _read(
    path: str, settings: DiffSettings, known: KnownKeys, bodies: Sequence[bytes], *, of_any_kind: bool
) -> list[Reading]:
    try:
        return Reader(series.parse(path), settings, known, of_any_kind=of_any_kind).read(bodies)
    except Invalid:  # a schema's path that no series can be of
        return [{} for _ in bodies]


def total(reading: Mapping[str, bytes]) -> float | None:
    """Of what one version has, by record."""
    if not reading:
        return None
    whole = sum(float(raw) for raw in list(reading.values())[:MOST_SUMMED])
    return whole if abs(whole) < float("inf") else None


def _texts(reading: Mapping[str, bytes]) -> list[str]:
    return [
        msgspec.json.decode(raw, type=str)
        for raw in list(reading.values())[:MOST_SUMMED]
        if slices.kind(raw) == "string"
    ]
