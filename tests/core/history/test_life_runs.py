"""Runs beside the plain entries they were made of."""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.history import life_runs
from delta_server.core.history.life_runs import LifeRun
from delta_server.core.history.lives import RecordEntry

RECORDS = st.sampled_from([bytes(8), b"\xff" * 8, b"abcdefgh", bytes(7) + b"\x01"])
ENTRIES = st.builds(
    RecordEntry, RECORDS, st.sampled_from(["", "/a", "/b/é"]), st.sampled_from("=+?*["), st.binary(max_size=9)
)
DELTAS = st.dictionaries(
    st.integers(-(1 << 45), 1 << 45),
    st.lists(ENTRIES, max_size=6, unique_by=lambda e: (e.record, e.place, e.what)),
    min_size=1,
    max_size=12,
)

Plain = dict[tuple[bytes, str, str], list[tuple[int, bytes]]]


def plain(deltas: Mapping[int, Sequence[RecordEntry]]) -> Plain:
    found: Plain = {}
    for time in sorted(deltas):
        for entry in deltas[time]:
            found.setdefault((entry.record, entry.place, entry.what), []).append((time, entry.value))
    return found


def read(runs: Sequence[bytes]) -> Plain:
    found: Plain = {}
    for run in map(LifeRun, runs):
        for key, (times, values) in run.all().items():
            found.setdefault(key, []).extend(zip(times, values, strict=True))
    return {key: sorted(rows) for key, rows in found.items()}


@given(DELTAS, DELTAS, DELTAS, st.integers(1, 5), st.integers(1, 9))
def test_what_is_merged_is_what_is_read(
    first: Any, second: Any, third: Any, most_times: int, most_entries: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(life_runs, "MOST_TIMES", most_times)
        patch.setattr(life_runs, "MOST_ENTRIES", most_entries)
        groups: life_runs.Groups = {}
        for deltas in (first, second, third):
            groups = life_runs.merged(groups, deltas)
        parts = life_runs.parts(groups)
        bounds = [life_runs.ends_of(part) for part in parts]
    assert all(before[1] < after[0] for before, after in pairwise(bounds))
    assert read([life_runs.encoded(part) for part in parts]) == plain(first | second | third)


def test_one_record_is_read_alone() -> None:
    rng = random.Random(1)
    deltas = {
        1000 * n: [RecordEntry(bytes([rng.randrange(50)]) * 8, "/n", "=", b"%d" % n), RecordEntry(bytes(8), "", "[id")]
        for n in range(2000)
    }
    run = LifeRun(life_runs.encoded(life_runs.merged({}, deltas)))
    wanted = [(time, of[0].value) for time, of in deltas.items() if of[0].record == b"\x07" * 8]
    [group] = run.groups(b"\x07" * 8, lambda record, place, what: True)
    assert (group.place, group.what) == ("/n", "=")
    assert list(zip(group.times, group.values, strict=True)) == wanted
    assert list(run.groups(b"\x07" * 8, lambda record, place, what: place == "/m")) == []
    assert list(run.groups(b"nobody..", lambda record, place, what: True)) == []


def test_an_entry_takes_few_bytes() -> None:
    rng = random.Random(2)
    deltas = {
        1_700_000_000_000 + 300_000 * n: [
            RecordEntry(bytes(8), "", "[id"),
            *(RecordEntry(bytes([record]) * 8, rng.choice(["/status", "/n"]), "=", b"%d" % rng.randrange(40))
              for record in
              rng.sample(range(150), 2)),
        ]
        for n in range(4000)
    }  # fmt: skip
    assert len(life_runs.encoded(life_runs.merged({}, deltas))) < 5 * 8000
