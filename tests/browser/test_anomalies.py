"""What was unusual: the list with its filters, and the flags on the chart of a field and on that of events."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from delta_server.core.anomalies.breakdown import Contribution
from delta_server.features.accounts import service as accounts
from delta_server.features.anomalies import store
from delta_server.features.anomalies.store import AnomalyRow
from delta_server.features.endpoints import service as endpoints
from delta_server.features.projects import service as projects
from delta_server.storage.database import Tx
from tests import server_process
from tests.browser import visitors
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, WIDE, Open, fits, write_into
from tests.server_process import Server

HOSTILE = "<img src=x onerror=alert(1)>"
BOTH = pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
HOUR_MS = 3_600_000


def _ms(at: datetime) -> int:
    return int(at.timestamp()) // 3600 * HOUR_MS


def _found(tx: Tx) -> None:
    """A number of the document that went up, a value that was new, and an hour of many events that goes on."""
    project = projects.ensure(tx, accounts.default_account(tx), PROJECT).id
    quakes = endpoints.find(tx, project, "quakes").id
    may = _ms(datetime(2025, 5, 22, 4, tzinfo=UTC))
    lately = _ms(datetime.now(UTC) - timedelta(hours=60))
    numbers = (may, may + 2 * HOUR_MS, may + HOUR_MS, 133, 118.2, 128.4, 5.5)
    many = (lately, None, lately, 24, 0, 12, 9)
    parts = [Contribution("web", 16, 3, 0.65), Contribution(HOSTILE, 8, 1, 0.35)]
    for row in (
        AnomalyRow(0, b"", quakes, "field", "/metadata/count", "spike", *numbers, None, ()),
        AnomalyRow(0, b"", quakes, "field", "/type", "new_value", may, may, may, 0, 0, 0, 0, HOSTILE, ()),
        AnomalyRow(0, b"", store.EVENTS, "events", "page", "spike", *many, None, parts),
    ):
        store.put(tx, project, row)
    for of in (quakes, store.EVENTS):
        store.put_hour(tx, project, of, _ms(datetime.now(UTC)) // HOUR_MS)
    store.put_states(tx, project, quakes, {("field", "/metadata/count"): b""})


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    write_into(seeded, _found)
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_ANOMALIES_DETECTION": "false"}
    env["DELTA_ANOMALIES_RETENTION_DAYS"] = "0"
    with server_process.serving(seeded, **env) as running:
        visitors.seed(running)
        yield running


@BOTH
def test_the_list_is_filtered_and_leads_to_the_chart(
    server: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.settle(f"/p/{PROJECT}/anomalies")
    rows = page.get_by_role("region", name="Anomalies").locator("tr[data-row]")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="/type")).to_contain_text(HOSTILE)
    expect(rows.first).to_contain_text("web 16, usually 3 (65 %)")
    expect(rows.first).to_contain_text("still")
    window.axe()
    fits(page)
    page.get_by_label("only those that last").check()
    expect(rows).to_have_count(1)
    page.get_by_role("combobox", name="Kind").select_option("silence")
    expect(page.get_by_text("Nothing of that kind was unusual.")).to_be_visible()
    page.get_by_role("button", name="Show everything").click()
    page.get_by_role("combobox", name="Series").select_option("field")
    page.get_by_role("combobox", name="Kind").select_option("spike")
    expect(page).to_have_url(re.compile("series=field&kind=spike|kind=spike&series=field"))
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    marked = page.get_by_role("list", name="Anomalies")
    expect(marked.get_by_role("listitem")).to_have_count(1)
    expect(marked).to_contain_text("/metadata/count: 133, where 118 to 128 are usual")
    window.axe()
    fits(page)


@BOTH
def test_they_are_marked_on_the_chart_of_events(server: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.settle(f"/p/{PROJECT}/events")
    marked = page.get_by_role("list", name="Anomalies")
    expect(marked).to_contain_text("page: 24 events in an hour")
    window.axe()
    fits(page)
    window.follow(f"/p/{PROJECT}/events?f=eventType:is:signup")
    expect(page.get_by_role("region", name="In all of it")).to_be_visible()
    expect(marked).to_have_count(0)


@BOTH
def test_an_alert_of_what_is_unusual_is_tried_and_saved(
    server: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts?rule=new")
    page.get_by_label("What raises it").select_option("anomaly")
    verdict, fires = page.locator(".pos"), page.locator(".fires tbody tr")
    expect(verdict).to_contain_text("would have fired 1 time")
    expect(fires).to_contain_text("page: 24 events in an hour")
    page.get_by_role("combobox", name="Of endpoint").fill("quakes")
    expect(fires).to_have_count(2)
    expect(fires.filter(has_text="/type")).to_contain_text(HOSTILE)
    page.get_by_role("combobox", name="Field", exact=True).fill("/metadata/count")
    expect(fires).to_have_count(1)
    expect(fires).to_contain_text("/metadata/count: 133, where 118 to 128 are usual")
    page.get_by_label("How unusual").select_option("far")
    expect(verdict).to_contain_text("would have fired never")
    page.get_by_label("Limit value").fill("5")
    expect(verdict).to_contain_text("would have fired 1 time")
    expect(page.locator(".lims [aria-current]")).to_contain_text("unusual by 5 deviations or more")
    window.axe()
    fits(page)
    page.get_by_role("button", name="Save").click()
    name = f"Odd counts {size[0]}"
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    saved = page.get_by_role("region", name="Rules").get_by_role("link", name=name)
    expect(saved).to_contain_text("quakes · /metadata/count unusual by 5 deviations or more")
