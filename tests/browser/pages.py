"""All addresses of the dashboard that this build has a page for, out of its own table of routes."""

import re
from urllib.parse import quote

from tests.server_process import ROOT

SOURCES = ROOT / "web" / "src"
_ROUTE = re.compile(r'\{ pattern: (?:"([^"]+)"|`\$\{ENDPOINT\}([^`]*)`|(ENDPOINT)), page: "(\w+)"(, open: true)?')


def inside(project: str, endpoint: str) -> dict[str, str]:
    """The pages of who is signed in: their address by their name, but for those of one thing more (a person)."""
    return {
        name: path
        for name, path, is_open in _all(project, endpoint)
        if not is_open and name != "Home" and ":" not in path
    }


def outside() -> dict[str, str]:
    return {name: path for name, path, is_open in _all("", "") if is_open and ":" not in path}


def _all(project: str, endpoint: str) -> list[tuple[str, str, bool]]:
    text = (SOURCES / "routes.ts").read_text()
    found = []
    for plain, rest, bare, name, is_open in _ROUTE.findall(text):
        pattern = plain or f"/p/:project/e/:endpoint{'' if bare else rest}"
        path = pattern.replace(":project", quote(project, safe="")).replace(":endpoint", quote(endpoint, safe=""))
        if (SOURCES / "pages" / f"{name}.tsx").exists():
            found.append((name, path, bool(is_open)))
    assert found, "routes.ts has the table of routes"
    return found
