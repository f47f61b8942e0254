"""When a device says that it changed something: a hint, which a wrong clock cannot put far ahead."""

import msgspec
import pytest

from delta_server.core import times
from delta_server.core.sync.changes import MAX_AHEAD_MS, SentChange, prepare

NOW_MS = times.parse("2026-05-01T12:00:00Z", field="now")
TIMES = [
    ("none is said", None, None),
    ("before", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
    ("a little ahead", "2026-05-01T12:04:59Z", "2026-05-01T12:04:59Z"),
    ("a second too far", "2026-05-01T12:05:01Z", "2026-05-01T12:05:00Z"),
    ("years ahead", "2999-01-01T00:00:00Z", "2026-05-01T12:05:00Z"),
]


def change(updated_at: str | None) -> SentChange:
    sent = {"change_id": "1", "record_id": "r", "operation": "update", "data": 1, "updated_at": updated_at}
    return msgspec.json.decode(msgspec.json.encode(sent), type=SentChange)


@pytest.mark.parametrize(("sent", "kept"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_a_clock_ahead_is_cut(sent: str | None, kept: str | None) -> None:
    assert MAX_AHEAD_MS == 5 * 60_000
    assert prepare(change(sent), NOW_MS, 100).updated_at == (None if kept is None else times.parse(kept, field="kept"))


def test_what_is_no_time_is_refused() -> None:
    refused = prepare(change("soon"), NOW_MS, 100)
    assert refused.refusal is not None
    assert "updated_at" in " ".join(refused.refusal)
