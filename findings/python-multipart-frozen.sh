#!/usr/bin/env bash
# multipart (2.0.1) is a module, python-multipart (0.0.34) has a package of the same name, and a package wins. It works all
# the same where both are installed, since that package looks through sys.path for a file multipart.py and becomes what it
# finds. In a program frozen by PyInstaller (6.22.3) there is no such file: who imports a name of multipart gets an
# ImportError at the start, though the same environment runs it. Installing what only tests need (mcp, FastAPI, Starlette's
# forms bring python-multipart) is enough.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet install multipart==2.0.1 pyinstaller==6.22.3
cat > program.py <<'PYTHON'
from multipart import MultipartSegment

print("imported", MultipartSegment.__name__)
PYTHON
tried() {
  venv/bin/pyinstaller --log-level ERROR --clean --noconfirm --distpath "$1" program.py > "$1.log" 2>&1
  "$1/program/program" 2>&1 | tail -n 20 | grep -oE "imported MultipartSegment|ImportError: cannot import name 'MultipartSegment'" || true
}
alone=$(tried alone)
venv/bin/pip --disable-pip-version-check --quiet install python-multipart==0.0.34
run=$(venv/bin/python program.py)
both=$(tried both)
echo "multipart 2.0.1, PyInstaller 6.22.3: $alone"
echo "with python-multipart 0.0.34: run as it is: $run; frozen: $both"
[ "$alone" = "imported MultipartSegment" ] && [ "$run" = "imported MultipartSegment" ] && [[ "$both" == ImportError* ]]
