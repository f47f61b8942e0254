"""Every page there is: nothing that is stored runs, nothing leaves the origin, and all can use it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from tests import server_process
from tests.browser import pages
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, WIDE, Open, Visit, window_of
from tests.server_process import ROOT, Server

RUNS = "window.ran = (window.ran || 0) + 1"
HOSTILE = [
    f"<img src=x onerror='{RUNS}'>",
    f"</script><script>{RUNS}</script>",
    f"javascript:{RUNS}",
    "\u202e'\"><svg/onload=1>",
]

BLANK = """() => [...document.querySelectorAll("main :is(button, a.btn)")]
    .filter((each) => each.checkVisibility() && !each.querySelector("svg") && each.innerText.trim() !== "")
    .filter((each) => parseFloat(getComputedStyle(each).fontSize) === 0)
    .map((each) => each.innerText)"""
LOOKS = """() => {
    const names = ["position", "display", "color", "background-color", "border-top-width", "padding", "font-size"]
    const found = {}
    for (const each of document.querySelectorAll("main, main :not(svg *)")) {
        const style = getComputedStyle(each)
        const where = `${each.parentElement.getAttribute("class")} > ${each.tagName}.${each.getAttribute("class")}`
        found[where] ??= []
        const seen = names.map((name) => `${name}: ${style.getPropertyValue(name)}`).join("; ")
        if (!found[where].includes(seen)) found[where].push(seen)
    }
    return found
}"""
"""How the page's elements are drawn, by their class and their parent's."""
STYLE = """async (sheets) => {
    const there = [...document.querySelectorAll("link[rel=stylesheet]")].map((each) => each.href.split("/").pop())
    const missing = sheets.filter((each) => !there.includes(each))
    await Promise.all(missing.map((each) => new Promise((onload, onerror) => {
        const link = document.createElement("link")
        document.head.append(Object.assign(link, {rel: "stylesheet", href: `assets/${each}`, onload, onerror}))
    })))
    return missing.length
}"""
"""Loads the styles of all other pages behind those of this one, as a visit to each of them would."""


def name(kind: str, number: int) -> str:
    return f"{kind} {HOSTILE[number % len(HOSTILE)]}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose every name, key and value would like to be a script."""
    directory = tmp_path_factory.mktemp("hostile")
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD}
    with server_process.serving(directory, **env) as server, httpx.Client(base_url=server.url) as client:
        told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        client.headers["authorization"] = f"Bearer {told['access_token']}"
        project = {"name": name("project", 0), "description": HOSTILE[1]}
        made = client.post("/v1/projects", json=project)
        assert made.status_code == 201, made.text
        inside = {"project_id": made.json()["project"]["id"]}
        for number in range(3):
            record = {key: f"{value} {number}" for key, value in zip("abcd", HOSTILE, strict=True)}
            document = {
                HOSTILE[0]: [{"id": HOSTILE[1], **record}],
                HOSTILE[1]: HOSTILE[2],
                HOSTILE[3]: {"title": HOSTILE[0]},
            }
            body = {
                "endpoint": name("endpoint", 1),
                "data": document,
                "source": HOSTILE[0],
                "metadata": {HOSTILE[1]: HOSTILE[0]},
            }
            answer = client.post("/v1/snapshots", json=body, params=inside)
            assert answer.status_code == 201, answer.text
        key = {"name": HOSTILE[0], "scopes": ["read"], **inside}
        assert client.post("/v1/auth/api-keys", json=key).status_code == 201
        yield server


def test_a_request_that_leaves_the_origin_is_noticed(browser: Browser) -> None:
    """And reaches nobody."""
    window = window_of(browser, "http://127.0.0.1:9")
    window.page.goto("about:blank")
    assert window.page.evaluate("fetch('http://localhost:9/x').then(() => 'answered', () => 'failed')") == "failed"
    with pytest.raises(AssertionError, match=r"left the origin: .'http://localhost:9/x'"):
        window.check()
    window.context.close()


def test_nothing_that_is_stored_runs(hostile: Server, visit: Open) -> None:
    window = visit(hostile, own=True)
    window.sign_in()
    window.page.on("dialog", lambda dialog: window.errors.append(dialog.message))
    places = pages.inside(name("project", 0), name("endpoint", 1))
    window.settle(places["Document"])  # what is sent for an address is the same for all
    for path in places.values():
        window.follow(path)
        assert window.page.evaluate("window.ran") is None, path
        assert not window.page.locator("a[href^='javascript:'], main img, main script").count(), path


@pytest.mark.parametrize(("dark", "size", "loads"), [(False, WIDE, True), (True, NARROW, False)])
def test_all_can_use_every_page(server: Server, visit: Open, dark: bool, size: tuple[int, int], loads: bool) -> None:
    """Each page is loaded, and in the other size and colours come to by a link."""
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    found = []
    places = pages.inside(PROJECT, "quakes")
    window.settle(next(iter(places.values())))
    for page, path in places.items():
        (window.settle if loads else window.follow)(path)
        drawn = at_rest(window)
        try:
            window.axe()
        except AssertionError as error:
            found.append(f"{page}: {error}")
        wide = window.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            found.append(f"{page}: is {wide} px wider than the window")
        found += [f"{page}: nothing is seen of the button {name}" for name in window.page.evaluate(BLANK)]
        found += clashes(window, page, path, drawn) if loads else []
    assert not found, "\n".join(found)


def clashes(window: Visit, page: str, path: str, before: dict[str, list[str]]) -> list[str]:
    """What the styles of other pages change on one that is there, loaded alone, and drawn as `before`."""
    sheets = [each.name for each in (ROOT / "web" / "dist" / "assets").glob("*.css")]
    for again in (True, True, False):
        assert window.page.evaluate(STYLE, sheets), "the page has the styles of others without them"
        found = changed(page, before, at_rest(window))
        if not found or not again:  # or deltas were computed meanwhile
            break
        window.settle(path)
        before = at_rest(window)
    return found


def looks(window: Visit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = window.page.evaluate(LOOKS)
    return found


def at_rest(window: Visit) -> dict[str, list[str]]:
    """How things are drawn, once two looks in a row are the same."""
    before: dict[str, list[str]] = {}
    now = looks(window)
    for _ in range(20):  # what moves for ever is looked at as it is
        if before == now:
            break
        window.page.wait_for_timeout(50)
        before, now = now, looks(window)
    return now


def changed(page: str, before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """What is drawn otherwise after other pages were seen: their styles meant something else by the same name. More of
    what was there, or less, is news that came meanwhile."""
    return [
        f"{page}: {where} was {before[where]} and is {now[where]}"
        for where in before.keys() & now.keys()
        if set(before[where]) - set(now[where]) and set(now[where]) - set(before[where])
    ]
