"""Keys, members, usage, the audit log, projects and the page that waits for the first snapshot."""

import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open
from tests.server_process import Server

HOSTILE = '"><img src=x onerror="document.title=1"></script>'


def _send(server: Server, key: str, endpoint: str) -> int:
    sent = httpx.post(
        f"{server.url}/v1/snapshots",
        params={"endpoint": endpoint},
        json={"temperature": 21.5},
        headers={"authorization": f"Bearer {key}"},
    )
    return sent.status_code


def _make_key(page: Page, name: str) -> str:
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_role("dialog").locator(".secret code").inner_text()
    page.get_by_role("button", name="Done").click()
    return secret


def test_a_key_of_each_preset_is_made(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/settings/keys")
    page.get_by_role("button", name="New key").click()
    presets = page.get_by_role("dialog").get_by_role("radio")
    presets.first.wait_for()
    names = [each.get_attribute("value") for each in presets.all()]
    page.keyboard.press("Escape")
    assert "send" in names
    for name in names:
        if name == "custom":
            continue
        page.get_by_role("button", name="New key").click()
        page.get_by_role("dialog").locator(f"input[value={name}]").check()
        page.get_by_role("button", name="Make the key").click()
        expect(page.get_by_role("dialog").locator(".secret code")).to_be_visible()
        page.get_by_role("button", name="Done").click()


def test_a_key_is_made_used_rotated_and_revoked(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/settings/keys")
    key = _make_key(page, HOSTILE)
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    expect(row).to_be_visible()
    assert _send(server, key, "weather") == 201

    row.get_by_role("button", name="Rotate").click()
    page.get_by_label("The old key stays valid").select_option("0s")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    other = page.get_by_role("dialog").locator(".secret code").inner_text()
    page.get_by_role("button", name="Done").click()
    assert (_send(server, key, "weather"), _send(server, other, "weather")) == (401, 201)

    page.get_by_role("row").filter(has_text=other[-4:]).get_by_role("button", name="Revoke").click()
    revoke = page.get_by_role("dialog").get_by_role("button", name="Revoke")
    expect(revoke).to_be_disabled()
    page.get_by_label("Type its name").fill(HOSTILE)
    revoke.click()
    expect(page.get_by_role("row").filter(has_text=other[-4:])).to_contain_text("revoked")
    assert _send(server, other, "weather") == 401
    window.axe()
    assert page.title() != "1"


def test_the_page_that_waits_says_what_came(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/connect")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator(".secret code").inner_text()
    expect(page.locator("pre").first).to_contain_text(key)
    expect(page.get_by_text("Waiting for a snapshot or event")).to_be_visible()
    assert _send(server, key, "tides") == 201
    page.get_by_role("link", name="tides").wait_for()
    window.axe()
    event = {"eventType": "high water", "userId": "ann"}
    sent = httpx.post(f"{server.url}/v1/events", json=event, headers={"authorization": f"Bearer {key}"})
    assert sent.status_code == 200, sent.text
    page.get_by_role("link", name="high water").click()
    expect(page).to_have_url(f"{server.url}/p/{PROJECT}/events/live")
    expect(page.get_by_role("button", name=re.compile("high water"))).to_be_visible()


def test_members_come_and_go_and_come_back(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/settings/members")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("E-mail address").fill("bo@example.com")
    page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    assert "/invite/" in page.get_by_role("dialog").locator(".secret code").inner_text()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row").filter(has_text="bo@example.com")).to_contain_text("pending")
    window.axe()


def test_who_may_read_alone_is_offered_no_more(server: Server, visit: Open) -> None:
    with httpx.Client(base_url=server.url) as client:
        told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        asked = {"email": "vi@example.com", "role": "viewer"}
        bearer = {"authorization": f"Bearer {told['access_token']}"}
        made = client.post(f"/v1/projects/{PROJECT}/invitations", json=asked, headers=bearer).json()
        accepted = {"token": made["token"], "password": PASSWORD, "name": "Vi"}
        assert client.post("/v1/invitations/accept", json=accepted).is_success
    window = visit(server)
    window.sign_in("vi@example.com", PASSWORD)
    page = window.settle(f"/p/{PROJECT}/e/quakes/settings")
    expect(page.get_by_text("You may read this.").first).to_be_visible()
    expect(page.get_by_role("button", name="Save").first).to_be_disabled()
    page = window.follow(f"/p/{PROJECT}/settings/members")
    expect(page.get_by_role("row").filter(has_text="vi@example.com")).to_contain_text("viewer")
    expect(page.get_by_role("link", name="Usage")).to_be_visible()
    for refused in ("Audit log", "Invite", "Remove"):
        expect(page.get_by_text(refused, exact=True)).to_have_count(0)
    page = window.follow(f"/p/{PROJECT}")
    expect(page.get_by_text("New endpoint")).to_have_count(0)


def test_a_project_is_made_renamed_deleted_and_restored(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go("/projects")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("tides & <b>storms</b>")
    page.get_by_role("button", name="Make the project").click()
    page.wait_for_url("**/p/tides*")
    page = window.go("/p/tides%20%26%20%3Cb%3Estorms%3C%2Fb%3E/settings")
    page.get_by_label("Name").fill("storms")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/p/storms/settings")
    page.get_by_role("button", name="Delete the project").click()
    page.get_by_label("Type its name").fill("storms")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/p/storms")
    assert [name for name in ("storms",) if _has_project(window.turn("/projects"), name)] == ["storms"]


def _has_project(page: Page, name: str) -> bool:
    page.get_by_role("row").filter(has_text=name).wait_for()
    return True


def test_usage_and_the_audit_log_are_read_without_complaint(server: Server, visit: Open) -> None:
    window = visit(server, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/settings/usage")
    expect(page.get_by_text("versions kept")).to_be_visible()
    window.axe()
    page = window.turn(f"/p/{PROJECT}/settings/audit?action=audit.export")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.path().read_text().startswith("seq,at,actor,")
    page.reload()
    expect(page.get_by_role("row").filter(has_text="audit, export")).to_contain_text(EMAIL)
    window.axe()


def test_rules_are_tried_saved_and_taken_back(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/quakes/settings")
    page.get_by_label("Ignored places").fill("/metadata/generated")
    expect(page.get_by_text("Would have silenced")).to_be_visible()
    rules = page.get_by_role("region", name="Comparison")
    rules.get_by_role("button", name="Save").click()
    expect(rules.get_by_role("button", name="Undo")).to_have_count(0)  # of what is not saved yet
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Ignored places")).to_have_value("")
    window.expected = re.compile("status of 422|status of 400")
    page.get_by_label("Ignored places").fill("no pattern")
    expect(page.get_by_role("alert")).to_contain_text("diff.ignore[0]")
    page.get_by_label("Keep the latest").fill("10")
    expect(page.get_by_text("190 versions")).to_be_visible()
    window.axe()


def test_the_instance_and_its_people(server: Server, visit: Open) -> None:
    window = visit(server, dark=True)
    window.sign_in()
    page = window.go("/instance/users")
    expect(page.get_by_role("row").filter(has_text=EMAIL)).to_contain_text("owner")
    window.axe()
    page = window.turn("/instance")
    page.get_by_text("Background loops", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="compute deltas")).to_contain_text("runs")
    page.get_by_text(re.compile(r"^\d+ options$")).click()
    page.get_by_placeholder("Filter").fill("storage.bin_days")
    expect(page.get_by_role("row").filter(has_text="storage.bin_days")).to_contain_text("7")
    window.axe()


def test_backups_are_taken_and_verified(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go("/instance/backups")
    expect(page.get_by_text("None is scheduled")).to_be_visible()
    expect(page.get_by_text("There is none yet.")).to_be_visible()
    window.axe()
    page.get_by_role("button", name="Take one now").press("Enter")
    row = page.get_by_role("row").filter(has_text="db.zst")
    expect(row).to_contain_text(re.compile("just now|ago"))
    row.get_by_role("button", name="Verify").press("Enter")
    expect(row).not_to_contain_text("not lately")
    expect(page.get_by_role("button", name="Take one now")).to_have_attribute("aria-disabled", "false")
    window.axe()


def test_a_backup_is_restored_by_its_name(server: Server, visit: Open) -> None:
    """The server starts itself again, and whoever asked for it signs in to what was stored then."""
    window = visit(server)
    window.sign_in()
    window.expected = re.compile("401|Failed to fetch|ERR_")  # its session ends, and what it had open is closed
    page = window.go("/instance/backups")
    expect(page.get_by_text("None is scheduled")).to_be_visible()
    rows = page.get_by_role("row").filter(has_text="db.zst")
    before = rows.count()
    page.get_by_role("button", name="Take one now").press("Enter")
    expect(rows).to_have_count(before + 1)
    row = rows.first
    restore = row.get_by_role("button", name="Restore")
    expect(row.get_by_role("button", name="Verify")).to_have_attribute("aria-disabled", "false")
    restore.press("Enter")
    dialog = page.get_by_role("dialog")
    window.axe()
    act = dialog.get_by_role("button", name="Restore it")
    expect(act).to_be_disabled()
    field = dialog.get_by_label("Type the backup's name")
    field.fill("delta")
    expect(act).to_be_disabled()
    field.fill(str(field.get_attribute("placeholder")))
    act.press("Enter")
    expect(page.get_by_label("Password")).to_be_visible()
    window.sign_in()
    page = window.go("/instance/backups")
    expect(page.get_by_text("What was stored before is")).to_be_visible()
    window.axe()
