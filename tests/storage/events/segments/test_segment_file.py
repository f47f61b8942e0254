"""How a segment's file is laid out."""

import pytest

from delta_server.storage.events.segments.segment_file import group_rows


@pytest.mark.parametrize(
    ("event_bytes", "rows"), [(0, 32_768), (320, 32_768), (321, 24_576), (590, 12_288), (30_000, 2_048)]
)
def test_row_groups_of_long_events_have_fewer_rows(event_bytes: int, rows: int) -> None:
    assert group_rows(event_bytes) == rows
