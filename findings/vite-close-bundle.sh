#!/usr/bin/env bash
# A build of Vite (8.3.8) that fails calls a plugin's closeBundle(error) twice: with the error, and then without one, as
# after a build that went well; and nothing has been written. What a plugin throws in the second call, which has no reason
# to expect so (it compresses the files of the output, say, and there are none), is reported in the place of the build's
# own error: here an import that does not resolve is never named. A plugin that writes looks whether there is an output.
# Wants Node.js 20 or newer. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"name": "app", "private": true, "type": "module"}' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts vite@8.3.8
echo '<script type="module" src="/main.js"></script>' > index.html
echo 'import { x } from "./absent.js"; console.log(x);' > main.js
cat > vite.config.js <<'JS'
import { readdirSync } from "node:fs";

const compress = {
  name: "compress",
  closeBundle(error) {
    console.log(`closeBundle was given ${error ? "the error" : "none"}`);
    if (!error) readdirSync("dist");
  },
};
export default { plugins: [compress] };
JS
told=$(node node_modules/vite/bin/vite.js build 2>&1) && { echo "the build went well"; exit 1; }
echo "Vite $(node -p 'require("./node_modules/vite/package.json").version'), Node.js $(node --version)"
grep -E "closeBundle was given|^Error:|UNRESOLVED" <<< "$told"
[ "$(grep -c 'closeBundle was given' <<< "$told")" = 2 ]
grep -q "closeBundle was given none" <<< "$told"
grep -q "^Error: ENOENT" <<< "$told"
! grep -q "absent.js" <<< "$told"
