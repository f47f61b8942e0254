"""/link: the page that mailed links lead to."""

import re

import httpx
import pytest

from delta_server.core.links import link
from delta_server.http.gate import bare
from tests.http.test_all_routes import GUARDS


@pytest.mark.parametrize("name", ["page.html", "..%2fpage.js", "%00", "page.js%2f"])
async def test_there_is_nothing_else(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/link/{name}")).status_code == 404


async def test_the_page_is_of_files_of_ours_and_kept_nowhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/link")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    files = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert files == ["link/page.css", "link/page.js"]
    assert "<style" not in page.text
    assert re.search(r"<script(?! src)| on\w+=", page.text) is None, "the policy of contents allows none"
    for path in files:
        found = await client.get(f"/{path}")
        assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")
    assert (await client.get("/link/")).headers["location"] == "../link"


async def test_the_page_uses_routes_that_are_there(client: httpx.AsyncClient) -> None:
    script = (await client.get("/link/page.js")).text
    paths = re.findall(r'path: "([^"]*)"', script)
    assert len(paths) == 3
    assert all(("POST", bare(f"/{path}")) in GUARDS for path in paths)


@pytest.mark.parametrize(
    ("public_url", "found"),
    [
        ("", None),
        ("https://delta.example.com", "https://delta.example.com/link#reset=abc"),
        ("https://example.com/delta/", "https://example.com/delta/link#reset=abc"),
    ],
)
def test_links_begin_with_the_configured_address(public_url: str, found: str | None) -> None:
    assert link(public_url, "reset", "abc") == found
