#!/usr/bin/env bash
# csv-diff 1.2 installs a package called `tests` beside its own: whatever has a folder `tests` without an __init__.py and
# imports from it (`from tests.rows import ...`, run from its root through an installed tool such as pytest) gets csv-diff's
# instead, for a regular package wins over a namespace package even when that comes first on the path. So it cannot be a
# locked dependency of such a project: install it apart, or delete the package. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install csv-diff==1.2
mkdir -p "$work/project/tests"
echo "MINE = True" > "$work/project/tests/rows.py"
cd "$work/project"
"$work/venv/bin/python" - <<'PYTHON'
import sys
from importlib import metadata
from pathlib import Path

files = [str(path) for path in metadata.files("csv-diff") or () if path.parts[0] == "tests"]
print(f"csv-diff {metadata.version('csv-diff')} installs {sorted(files)[:3]}")
sys.path.insert(0, str(Path.cwd()))
import tests

print(f"tests is {Path(tests.__file__ or 'a namespace').name} of {Path(tests.__file__ or '.').parent.parent.name}")
try:
    import tests.rows  # noqa: F401
except ModuleNotFoundError as error:
    print(f"import tests.rows: {error}")
    sys.exit(0 if files else "it is otherwise now")
sys.exit("it is otherwise now")
PYTHON
