#!/usr/bin/env bash
# A time with more than six digits of a second, as Go and .NET write them, is rounded to the nearest microsecond by msgspec
# (0.22.0) and cut by Python's datetime.fromisoformat (3.11): of one text the two make different times, which may be in
# different milliseconds, seconds or years. A program that decodes some of its times by the one and some by the other
# takes one event for two. msgspec refuses the last half microsecond of the year 9999 for the same reason.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install msgspec==0.22.0
"$work/venv/bin/python" - <<'PYTHON'
import sys
from datetime import datetime

import msgspec

TEXTS = ["2026-05-01T12:00:00.1239999Z", "2026-12-31T23:59:59.9999999Z"]
differ = []
print(f"msgspec {msgspec.__version__}, Python {sys.version.split()[0]}")
for text in TEXTS:
    decoded, python = msgspec.json.decode(f'"{text}"'.encode(), type=datetime), datetime.fromisoformat(text)
    print(f"{text}: msgspec {decoded.isoformat()}, Python {python.isoformat()}")
    differ.append(decoded > python)
try:
    last = msgspec.json.decode(b'"9999-12-31T23:59:59.9999999Z"', type=datetime).isoformat()
except msgspec.ValidationError as error:
    last = f"refused: {error}"
print(f"9999-12-31T23:59:59.9999999Z: msgspec {last}")
sys.exit(0 if all(differ) and last.startswith("refused") else 1)
PYTHON
