#!/usr/bin/env bash
# msgspec 0.22.0 `json.Decoder.decode_lines` is for NDJSON, but does not read by lines: line ends are blanks to it. Two values
# on one line are two items, and one value over two lines is one, so the count of what it returns is not that of the lines,
# and NDJSON that other readers refuse goes through. Who counts lines must check them: as one array, with a comma behind
# each line end, every value is on a line of its own. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install msgspec==0.22.0
"$work/venv/bin/python" - <<'PYTHON'
import json
import sys

import msgspec

lines = msgspec.json.Decoder()
array = msgspec.json.Decoder(list[msgspec.Raw])
told = [
    ("two values on a line", b"1 2\n3\n", [1, 2, 3]),
    ("one value over two lines", b"[1,\n2]\n3\n", [[1, 2], 3]),
]
for what, text, wanted in told:
    found = lines.decode_lines(text)
    print(f"msgspec {msgspec.__version__}: {what}: {text!r} is {found}")
    try:
        other = [json.loads(line) for line in text.splitlines()]
    except json.JSONDecodeError as error:
        other = error
    print(f"  line by line: {other}")
    checked = None
    try:
        rows = array.decode(b"[%b]" % text.rstrip().replace(b"\n", b"\n,"))
        checked = len(rows) == text.count(b"\n") and b"\n" not in b"".join(rows)
    except msgspec.DecodeError:
        checked = False
    print(f"  as an array: {'all lines are values' if checked else 'not a value a line'}")
    if found != wanted or not isinstance(other, json.JSONDecodeError) or checked:
        sys.exit("it is otherwise now")
PYTHON
