#!/usr/bin/env bash
# Where clocks are set back and an hour comes twice, cronsim 2.8 answers a start within the second pass with a time
# before it, although it is to give the next one: from 02:10+01:00 in Berlin, "30 2 * * *" is next at 02:30+02:00, forty
# minutes ago. A loop that runs what is due and asks again runs it at once, a second time. Go on until the time is later.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install cronsim==2.8 tzdata
"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from cronsim import CronSim

print("cronsim", version("cronsim"))
start = datetime(2026, 10, 25, 1, 10, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
schedule = CronSim("30 2 * * *", start)
found, after = next(schedule), next(schedule)
late_by = start.astimezone(UTC) - found.astimezone(UTC)
print(f"from {start}: next {found}, {late_by} before it; then {after}")
expected = late_by == timedelta(minutes=40) and after.isoformat() == "2026-10-26T02:30:00+01:00"
sys.exit(0 if expected else 1)
PYTHON
