"""Moments in the names of files."""

import pytest

from delta_server.core import file_times, times

TOLD = [
    ("2026-05-01.json", "2026-05-01T00:00:00.000Z"),
    ("20260501T120000Z.json", "2026-05-01T12:00:00.000Z"),
    ("data-2026-05-01T12-00-00.json", "2026-05-01T12:00:00.000Z"),
    ("1777636800.json", "2026-05-01T12:00:00.000Z"),
    ("prices-1777636800123.json.gz", "2026-05-01T12:00:00.123Z"),
    ("2026/05/01.json", "2026-05-01T00:00:00.000Z"),
    ("2026/05/01/12-30.json", "2026-05-01T12:30:00.000Z"),
    ("2026/05/2026-05-02.json", "2026-05-02T00:00:00.000Z"),
    ("x_20260501120000.json", "2026-05-01T12:00:00.000Z"),
    ("x_202605011200.json", "2026-05-01T12:00:00.000Z"),
    ("sensor1_2026-05-01_12-30.json", "2026-05-01T12:30:00.000Z"),
    ("2026-05-01 12.30.15.json", "2026-05-01T12:30:15.000Z"),
    ("2026-05-01T12:00:00+02:00.json", "2026-05-01T10:00:00.000Z"),
    ("2026-05-01T12:00-0500.json", "2026-05-01T17:00:00.000Z"),
    ("2026-05-01T12.json", "2026-05-01T12:00:00.000Z"),
    ("2026-05-01T12:00:00.123456Z.json", "2026-05-01T12:00:00.123Z"),
    ("2026-05-01t120000z", "2026-05-01T12:00:00.000Z"),
    ("prices_2026_05_01_v2.json", "2026-05-01T00:00:00.000Z"),
    ("2024-02-29.json", "2024-02-29T00:00:00.000Z"),
]

NONE = [
    *("data.json", "README.md", "v2.json", "", "123456789.json", "12026-05-01.json"),
    *("2026-13-01.json", "2026-02-30.json", "2025-02-29.json", "2026-05-01T24-00.json", "2026-05-01T12-61.json"),
    *("2026-05-01-2026-05-02.json", "2026-05-01-1.json", "1777636800-1777636900.json"),
]


@pytest.mark.parametrize(("name", "time"), TOLD)
def test_the_time_a_name_tells(name: str, time: str) -> None:
    found = file_times.parse(name)
    assert found is not None
    assert times.format(found) == time


@pytest.mark.parametrize("name", NONE)
def test_names_that_tell_none_or_several(name: str) -> None:
    assert file_times.parse(name) is None
