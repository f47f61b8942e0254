"""Judging series from where they were left: what is kept of each in, with what came; what is kept then, and what was
found, out. One after the other, as a process of its own is given some."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import zstandard

from delta_server.core.anomalies import novelty
from delta_server.core.anomalies.detecting import Detector, Episode, Series
from delta_server.core.anomalies.novelty import Known

S = TypeVar("S", Series, Known)

_LEVEL = 3
_MOST_RAW = 1 << 20


class HoursToJudge(msgspec.Struct, frozen=True):
    """`kept` is None of a series that begins. Hours since 1970, in order; those without a number may be left out."""

    kept: bytes | None
    is_count: bool
    hours: Sequence[tuple[int, float | None]]


class CodesToJudge(msgspec.Struct, frozen=True):
    """When each reading was, and what it had."""

    kept: bytes | None
    readings: Sequence[tuple[int, Sequence[str]]]


class JudgedHours(msgspec.Struct, frozen=True):
    """`episodes` are those that began, became worse or ended, by their begin, as they are now."""

    kept: bytes
    episodes: list[Episode]


class JudgedCodes(msgspec.Struct, frozen=True):
    kept: bytes
    news: list[tuple[int, list[str]]]


def judge(hours: Sequence[HoursToJudge], codes: Sequence[CodesToJudge]) -> tuple[list[JudgedHours], list[JudgedCodes]]:
    return list(map(_judge_hours, hours)), list(map(_judge_codes, codes))


def _judge_hours(given: HoursToJudge) -> JudgedHours:
    series = Series(given.is_count) if given.kept is None else _unpacked(given.kept, Series)
    detector = Detector(series)
    found: dict[int, Episode] = {}
    for hour, value in given.hours:
        if series.next is None or hour >= series.next:
            for episode in detector.step(hour, value):
                found[episode.begin] = episode
    return JudgedHours(_packed(series), [found[begin] for begin in sorted(found)])


def _judge_codes(given: CodesToJudge) -> JudgedCodes:
    known = Known() if given.kept is None else _unpacked(given.kept, Known)
    news = [(at, new) for at, values in given.readings if (new := novelty.novel(known, values))]
    return JudgedCodes(_packed(known), news)


def _packed(kept: Series | Known) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(kept))


def _unpacked(data: bytes, kind: type[S]) -> S:
    raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_RAW)
    return msgspec.msgpack.decode(raw, type=kind)
