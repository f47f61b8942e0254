"""Writes a CycloneDX 1.6 bill of materials of the executable on stdout, from the lock files: no tool, no network.

Usage: python packaging/sbom.py > dist/delta-server.cdx.json
"""

import base64
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SENT_TO_BROWSERS = ("preact", "@preact/signals", "@preact/signals-core", "uplot", "uqr")
_PINNED = re.compile(r"^([a-z0-9._-]+)==(\S+?)(?: ;.*?)?(?: \\)?\n((?:    --hash=\S+(?: \\)?\n)*)", re.M)


def python_components(lock: str) -> list[dict[str, Any]]:
    found = []
    for name, version, hashes in _PINNED.findall(lock):
        sums = re.findall(r"sha256:([0-9a-f]{64})", hashes)
        found.append(_component(name, version, f"pkg:pypi/{name}@{version}", [("SHA-256", each) for each in sums]))
    return found


def browser_components(lock: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in SENT_TO_BROWSERS:
        if (package := lock["packages"].get(f"node_modules/{name}")) is not None:
            digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
            url = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
            found.append(_component(name, package["version"], url, [("SHA-512", digest)]))
    return found


def _component(name: str, version: str, url: str, hashes: list[tuple[str, str]]) -> dict[str, Any]:
    """A wheel for each platform has a hash of its own: all that the lock file takes are there."""
    return {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "hashes": [{"alg": kind, "content": content} for kind, content in hashes],
    }


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = (ROOT / "delta_server" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "(.+)"', source)
    assert version is not None
    components = python_components((ROOT / "packaging" / "requirements.lock").read_text(encoding="utf-8"))
    components += browser_components(json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")))
    own = f"pkg:generic/{project['name']}@{version[1]}"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": own, "name": project["name"], "version": version[1]}
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    json.dump(bill, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
