"""The dashboard's files: one page for all its addresses, files kept for ever, and nothing else that lies about."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from delta_server.app import Application
from delta_server.http import static
from tests.conftest import shared

PAGE = b'<!doctype html><base href="/"><script src="theme.js"></script>'
SCRIPT = b"let delta = 1;" * 100


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "web"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_bytes(PAGE)
    (directory / "theme.js").write_bytes(b"1")
    (directory / "icon.svg").write_bytes(b"<svg/>")
    (directory / "assets" / "main-1a2b.js").write_bytes(SCRIPT)
    (directory / "assets" / "main-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "delta.key").write_bytes(b"secret")
    monkeypatch.setattr(static, "PACKAGED", directory)
    return directory


NOT_THERE = [
    "/assets/../index.html",
    "/assets/%2e%2e%2findex.html",
    "/assets/..%2f..%2fdelta.key",
    "/assets/main-1a2b.js.gz",
    "/assets/%00",
    "/assets/",
    "/index.html",
    "/delta.key",
    "/assets//etc/passwd",
    "/other",
]


@pytest.mark.parametrize("path", NOT_THERE)
@shared
async def test_nothing_else_is_reachable(shared_client: httpx.AsyncClient, path: str) -> None:
    answer = await shared_client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_in_the_executable_all_files_are_one(
    client: httpx.AsyncClient, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Path(shutil.make_archive(str(build), "zip", build))
    shutil.rmtree(build)
    monkeypatch.setattr(static, "PACKED", packed)
    for path, status in (("/", 200), ("/p/home", 200), ("/assets/main-1a2b.js", 200), ("/assets/other.js", 404)):
        assert (await client.get(path)).status_code == status
    assert (await client.get("/")).headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/nothere", headers={"accept": "text/html"})).headers["content-type"].startswith("text/")


@pytest.mark.parametrize("path", ["/nothere", "/p", "/a/b/c?d=1"])
@shared
async def test_who_types_an_address_that_is_none_sees_the_dashboard_say_so(
    shared_client: httpx.AsyncClient, path: str
) -> None:
    answer = await shared_client.get(path, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert f'<base href="{"../" * (path.count("/") - 1) or "./"}">' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == static.CSP


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [("GET", "/nothere", "*/*"), ("GET", "/nothere", "application/json"), ("GET", "/v1/nothere", "text/html"),
     ("POST", "/nothere", "text/html"), ("GET", "/assets/none.js", "text/html")],
)  # fmt: skip
@shared
async def test_all_others_are_told_as_programs_are(
    shared_client: httpx.AsyncClient, method: str, path: str, accept: str
) -> None:
    answer = await shared_client.request(method, path, headers={"accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_without_a_build_nobody_sees_it(
    client: httpx.AsyncClient, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static, "BUILT", build)
    (build / "index.html").unlink()
    answer = await client.get("/nothere", headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


ADDRESSES = {
    "/": "./",
    "/signin": "./",
    "/setup?next=/p/x": "./",
    "/p/demo": "../",
    "/p/demo/e/GET%20%2Fprices?at=2025-05-22&at=1&any=%F0%9F%8C%8B": "../../../",
    "/instance/users": "../",
    "/link": "./",
}


@pytest.mark.parametrize(("path", "base"), ADDRESSES.items())
@shared
async def test_one_page_stands_for_all_addresses(shared_client: httpx.AsyncClient, path: str, base: str) -> None:
    answer = await shared_client.get(path)
    assert answer.status_code == 200
    assert f'<base href="{base}">' in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-frame-options"] == "DENY"
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "unsafe" not in policy[0]
    assert "data:" not in policy[0]
    assert policy[0].startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in policy[0]
    again = await shared_client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("path", "kept"), [("/theme.js", "no-cache"), ("/icon.svg", "public, max-age=3600")])
@shared
async def test_files_of_fixed_names_are_kept_for_as_long_as_they_may_be_old(
    shared_client: httpx.AsyncClient, path: str, kept: str
) -> None:
    assert (await shared_client.get(path)).headers["cache-control"] == kept


@shared
async def test_assets_are_kept_for_ever_and_sent_as_the_build_compressed_them(shared_client: httpx.AsyncClient) -> None:
    compressed = await shared_client.get("/assets/main-1a2b.js", headers={"accept-encoding": "br;q=0.5, gzip"})
    plain = await shared_client.get("/assets/main-1a2b.js", headers={"accept-encoding": "identity"})
    head = await shared_client.head("/assets/main-1a2b.js", headers={"accept-encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["content-length"] == str(len(gzip.compress(SCRIPT)))
    assert "content-encoding" not in plain.headers
    assert compressed.content == plain.content == SCRIPT
    assert (head.status_code, head.content) == (200, b"")
    for answer in (compressed, plain, head):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "accept-encoding" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("server", "headers", "base"),
    [
        ({"public_url": "https://delta.example.com/history"}, {}, "/history/"),
        ({"trusted_proxies": ("127.0.0.1",)}, {"x-forwarded-prefix": "/Delta/"}, "/Delta/"),
        ({"trusted_proxies": ("127.0.0.1",)}, {"x-forwarded-prefix": '/"><script>'}, "/&#34;&#62;&#60;script&#62;/"),
        ({"trusted_proxies": ("127.0.0.1",)}, {"x-forwarded-prefix": "//elsewhere.example"}, "../"),
        ({}, {"x-forwarded-prefix": "/not-believed"}, "../"),
    ],
)
async def test_a_proxy_may_put_the_page_under_a_path(
    client: httpx.AsyncClient, app: Application, server: dict[str, Any], headers: dict[str, str], base: str
) -> None:
    config = app.services.config
    config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, **server))
    app.litestar.state.services = msgspec.structs.replace(app.services, config=config)
    answer = await client.get("/p/demo", headers=headers)
    assert f'<base href="{base}">' in answer.text


async def test_a_checkout_without_a_build_says_what_to_do(
    client: httpx.AsyncClient, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (build / "index.html").unlink()
    monkeypatch.setattr(static, "BUILT", build)
    answer = await client.get("/p/demo")
    assert answer.status_code == 503
    assert "make web" in answer.text
    assert (await client.get("/assets/main-1a2b.js")).status_code == 404


async def test_a_build_made_anew_is_seen_by_a_running_server(client: httpx.AsyncClient, build: Path) -> None:
    before = await client.get("/")
    (build / "index.html").write_bytes(PAGE + b"<!-- later -->")
    later = await client.get("/", headers={"if-none-match": before.headers["etag"]})
    assert later.status_code == 200
    assert "later" in later.text
