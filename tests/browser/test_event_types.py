"""Types of events in the dashboard: the list, the schema of one as a tree and to copy, and what changed it."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from delta_server.core import times
from delta_server.core.schemas import samples
from delta_server.core.schemas.samples import Sampled, SampledEvent
from delta_server.features.accounts import service as accounts
from delta_server.features.event_schemas import learning
from delta_server.features.event_schemas.learning import Lesson
from delta_server.features.event_schemas.store import Progress, TypeSchema
from delta_server.features.projects import service as projects
from delta_server.storage.database import Tx
from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, WIDE, Open, fits, write_into
from tests.server_process import Server

HOSTILE = "<img src=x onerror=alert(1)>/%2F"
DOTTED = (".", "..", "=..", "../..")
"""Browsers take the first two out of an address."""

TYPES = f"/p/{PROJECT}/events/types"
BOTH = pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])


def _learn(tx: Tx) -> None:
    """`purchase`, which changed, one with a name that would hurt, and many others, as the background does."""
    project = projects.ensure(tx, accounts.default_account(tx), PROJECT).id
    now = tx.now_ms
    first: list[dict[str, object]] = [{"sku": f"s{n % 40}", "price": n, "plan": "pro"} for n in range(30)]
    sent: dict[str, list[dict[str, object]]] = {"purchase": first, HOSTILE: [{HOSTILE: HOSTILE}]}
    sent |= {name: [{"of": name}] for name in DOTTED}
    sent |= {f"t{n:03}": [{}] for n in range(200)}
    for name, data in sent.items():
        _see(tx, project, name, data, now - times.DAY_MS)
    _see(tx, project, "purchase", [{"sku": "s1", "price": None, "plan": "free"}], now)


def _see(tx: Tx, project: int, name: str, data: list[dict[str, object]], at: int) -> None:
    [(known, values)] = learning._known(tx, project, [name])
    events = [
        SampledEvent(n, at, at, "web", None, None, None, None, msgspec.json.encode(each).decode(), None)
        for n, each in enumerate(data)
    ]
    sampled = Sampled(events, known.shape or None, values.shape if values else None, times.EARLIEST_MS)
    assert isinstance(known, TypeSchema)
    learning._store(tx, project, Progress(), [Lesson(known, values, sampled, samples.learn(sampled))])


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    write_into(seeded, _learn)
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_SCHEMAS_INFERENCE": "false"}
    with server_process.serving(seeded, **env) as running:
        yield running


@BOTH
def test_a_type_is_found_and_its_schema_seen(server: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.go(TYPES)
    rows = page.get_by_role("region", name="Event types").locator("tbody tr")
    expect(rows).to_have_count(206)
    window.axe()
    fits(page)
    page.get_by_role("searchbox", name="Find types").fill("PURCH")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("31")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="purchase").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="purchase")).to_be_visible()
    price = page.locator(".schema-tree tbody tr", has_text="price")
    expect(price).to_contain_text("integer or null")
    expect(page.locator(".learned")).to_contain_text("Learned from 31 events")
    changes = page.get_by_role("region", name="What changed it")
    expect(changes).to_contain_text("/data/price may be null")
    window.axe()
    fits(page)
    page.get_by_role("radio", name="TypeScript").click()
    expect(page.locator(".written pre")).to_contain_text('plan: "free" | "pro"')
    changes.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(r"/events\?f=eventType%3Ais%3Apurchase&range="))


def test_names_of_others_are_text_and_one_that_is_unknown_is_said(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of 404")
    window.sign_in()
    page = window.go(TYPES)
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.locator(".schema-tree tbody")).to_contain_text("each")
    expect(page.get_by_role("region", name="What changed it")).to_contain_text("since the first events")
    page = window.turn(f"{TYPES}/nothing")
    expect(page.locator(".none")).to_contain_text("Nothing is known of this type yet")
    window.axe()


def test_names_of_dots_are_opened(server: Server, visit: Open) -> None:
    """From the list, by their address, and on the way back."""
    window = visit(server)
    window.sign_in()
    page = window.go(TYPES)
    for name in DOTTED:
        page.get_by_role("link", name=name, exact=True).click()
        for _ in range(2):
            expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
            expect(page.locator(".schema-tree tbody")).to_contain_text("of")
            expect(page.get_by_role("region", name="What changed it")).to_contain_text("since the first events")
            page.reload()
        page.go_back()


@BOTH
def test_a_type_by_keys_alone(server: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.go(TYPES)
    rows = page.get_by_role("region", name="Event types").locator("tbody tr")
    expect(rows).to_have_count(206)
    press = page.keyboard.press
    press("f")
    page.keyboard.type("purch")
    expect(rows).to_have_count(1)
    press("Tab")
    expect(page.get_by_role("link", name="purchase")).to_be_focused()
    press("Enter")
    expect(page.get_by_role("heading", name="purchase")).to_be_visible()
    expect(page.locator(".schema-tree tbody")).to_contain_text("price")
    press("f")
    expect(page.get_by_role("searchbox", name="Find places")).to_be_focused()
    page.keyboard.type("sku")
    expect(page.locator(".schema-tree tbody")).not_to_contain_text("price")
    press("Shift+Tab")
    expect(page.get_by_role("radio", name="Tree")).to_be_focused()
    press("ArrowRight")
    press("ArrowRight")
    expect(page.get_by_role("radio", name="TypeScript")).to_be_checked()
    expect(page.locator(".written pre")).to_contain_text("price")
    press("Tab")
    expect(page.locator(".written button")).to_be_focused()
    press("Tab")
    expect(page.locator(".written pre")).to_be_focused()
    press("Tab")
    expect(page.get_by_role("region", name="What changed it").get_by_role("link").first).to_be_focused()
    press("Enter")
    expect(page).to_have_url(re.compile(r"/events\?f=eventType%3Ais%3Apurchase&range="))
