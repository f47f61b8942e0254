#!/usr/bin/env bash
# The specification of JMESPath gives null for <, <=, > and >= of what is not two numbers. jmespath 1.1.0 orders strings
# too, and for a number beside a string raises Python's own TypeError, which is none of its exceptions: one odd element
# ends a whole filter, past whoever catches JMESPathError. `sort_by` and `max_by` of such elements differ as well: the
# first raises JMESPathTypeError, the second TypeError. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install jmespath==1.1.0
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import jmespath
from jmespath.exceptions import JMESPathError

print("jmespath", version("jmespath"))
rows = [{"price": 3}, {"price": "n/a"}, {"price": 5}, {"price": None}]
found = {}
for text in ("[?price > `2`]", "[?price > `2` && price < `4`]", "sort_by([:3], &price)", "max_by([:3], &price)"):
    try:
        found[text] = jmespath.search(text, rows)
    except Exception as error:
        found[text] = type(error).__name__, isinstance(error, JMESPathError)
    print(f"{text}: {found[text]}")
builtin = ("TypeError", False)
expected = [builtin, builtin, ("JMESPathTypeError", True), builtin]
sys.exit(0 if list(found.values()) == expected else 1)
PYTHON
