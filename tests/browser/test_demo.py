"""The demo's link signs in, once, onto something that moves."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.server_process import start

LINK = re.compile(r"(http://127\.0\.0\.1:\d+)(/setup#demo=\w+)")


@contextmanager
def demo(directory: Path) -> Iterator[re.Match[str]]:
    process = start("demo", "--port", "0", cwd=directory, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(found for line in process.stdout if (found := LINK.search(line)))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_printed_link_signs_in_once(tmp_path: Path, visit: Open) -> None:
    with demo(tmp_path) as link:
        window = visit(link[1])
        page = window.go(link[2])
        expect(page).to_have_url(f"{link[1]}/p/demo")
        expect(page.get_by_role("button", name="Account of You")).to_be_visible()
        expect(page.get_by_role("link", name="quakes-live", exact=True)).to_be_visible()  # the recorded feed plays
        again = visit(link[1])
        again.expected = re.compile(r"status of 4\d\d")
        expect(again.go(link[2]).get_by_role("heading")).to_have_text("Delta is set up")
