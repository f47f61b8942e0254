"""The dashboard: the files that `make web` builds from web/, at `/`.

One page stands for all of its addresses. Its other files have relative URLs, and a `<base>` says what they are relative
to: the path that a proxy puts us under where that is known, else as many `../` as the address is deep. Files under
`assets/` have a hash of their content in their name and are kept for ever. The build has compressed them all.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import ZipFile

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException

from delta_server.core.errors import NotFound
from delta_server.http import browsers, conditional, encodings, errors
from delta_server.http.gate import PREFIXES, bare
from delta_server.http.guards import PUBLIC, Guards
from delta_server.http.parameters import FromPath

PACKAGED = Path(__file__).parent.parent / "web"
"""Where packages carry the build."""
PACKED = PACKAGED.with_suffix(".zip")
"""Where the executable does: it unpacks itself, and one file sooner than four hundred."""
BUILT = PACKAGED.parent.parent / "web" / "dist"
"""Where it is in a checkout."""
INDEX = "index.html"

CSP = (
    "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "frame-src 'none'; manifest-src 'none'; media-src 'none'"
)
"""No `unsafe-inline`, no `data:`: what a stored document says is never more than text."""
_HEADERS = {
    "content-security-policy": CSP,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_AN_HOUR = "public, max-age=3600"
"""The icon, which Chromium wants anew at each address that a page takes, so at each step of a slider."""
_BASE = b'<base href="/">'
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
"""The smaller one first."""
_NOT_BUILT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Delta</title>
<h1>Delta is running, without its dashboard</h1>
<p>This installation was made from sources whose dashboard was not built: run <code>make web</code> in the checkout, and
load this page again. The API is there: see <a href="docs">its documentation</a>.</p>
</html>
"""
ANY_QUERY = {PREFIXES: ("",)}
"""The state of a view is in its query, which only the page reads."""


class Asset(msgspec.Struct, frozen=True):
    """`encoded` has the file's compressed forms by the name of the encoding."""

    content: bytes
    media_type: str
    tag: str
    encoded: dict[str, bytes]


async def page(request: Request[Any, Any, Any], *, frame_ancestors: Sequence[str] = ()) -> Response[Any]:
    """`frame_ancestors` are the sites that may embed it."""
    files = await _files()
    if files is None:
        return Response(_NOT_BUILT, status_code=503, media_type=MediaType.HTML)
    response = _respond(request, _index(files[INDEX].content, base_of(request)), "no-cache")
    if frame_ancestors:
        allowed = CSP.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(frame_ancestors)}")
        response.headers["content-security-policy"] = allowed
        del response.headers["x-frame-options"]
    return response


@get("/", include_in_schema=False, opt=ANY_QUERY)
async def home(request: Request[Any, Any, Any]) -> Response[Any]:
    return await page(request)


@get(
    ["/account", "/forgot", "/instance", "/link", "/projects", "/register", "/setup", "/signin"],
    include_in_schema=False,
    opt=ANY_QUERY,
)
async def top_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await page(request)


@get(
    ["/instance/{rest:path}", "/invite/{rest:path}", "/p/{rest:path}", "/reset/{rest:path}"],
    include_in_schema=False,
    opt=ANY_QUERY,
)
async def deep_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await page(request)


@get("/assets/{name:str}", include_in_schema=False)
async def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return _respond(request, await _file(f"assets/{name}"), _FOR_EVER)


@get(["/icon.svg", "/theme.js"], include_in_schema=False)
async def fixed(request: Request[Any, Any, Any]) -> Response[Any]:
    name = request.scope["path"].strip("/")
    return _respond(request, await _file(name), _FOR_AN_HOUR if name == "icon.svg" else "no-cache")


def not_found(request: Request[Any, Any, Any], error: NotFoundException) -> Response[Any]:
    """Where no route is: the dashboard, which says so, for who typed the address into a browser. The failure as all
    others have it."""
    answer = errors.to_response(request, error)
    is_page = "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1/")
    index = _index_alone() if is_page and request.method == "GET" and answer.status_code == 404 else None
    if index is None:
        return answer
    page = _index(index, base_of(request))
    headers = {**_HEADERS, "cache-control": "no-store"}
    return Response(page.content, status_code=404, media_type=MediaType.HTML, headers=headers)


def _index_alone() -> bytes | None:
    """2 kB, on the event loop: all files are not read for an address that is none."""
    for place in (PACKED, PACKAGED, BUILT):
        with suppress(FileNotFoundError):
            return _packed(place, INDEX)[INDEX] if place == PACKED else (place / INDEX).read_bytes()
    return None


def base_of(request: Request[Any, Any, Any]) -> str:
    """What the page's URLs are relative to, as `<base>` says it."""
    if prefix := browsers.base_path(request):
        return f"{prefix}/"
    depth = request.scope["raw_path"].partition(b"?")[0].count(b"/") - 1
    return "../" * depth or "./"


async def _file(name: str) -> Asset:
    found = (await _files() or {}).get(name)
    if found is None:
        raise NotFound("there is no such file in the dashboard")
    return found


async def _files() -> dict[str, Asset] | None:
    """All files of the build by their path in it, None where there is none. Nothing else is ever read, whatever a
    request names. A build that is made anew while the server runs is seen by its index."""
    return await asyncio.to_thread(_built)


def _built() -> dict[str, Asset] | None:
    for place in (PACKED, PACKAGED, BUILT):
        try:
            changed_ns = (place if place == PACKED else place / INDEX).stat().st_mtime_ns
        except FileNotFoundError:
            continue
        with _reading:  # a browser asks for a dozen at once: the first of them reads for all
            return _read(place, changed_ns)
    return None


_reading = Lock()


@lru_cache(1)
def _read(place: Path, _changed_ns: int) -> dict[str, Asset]:
    contents = _packed(place) if place == PACKED else _contents(place)
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    return {
        name: Asset(
            content=content,
            media_type=guess_type(name)[0] or "application/octet-stream",
            tag=f'"{sha256(content).hexdigest()[:32]}"',
            encoded={encoding: contents[name + suffix] for encoding, suffix in _ENCODINGS if name + suffix in contents},
        )
        for name, content in contents.items()
        if not name.endswith(suffixes)
    }


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.*")}


def _packed(file: Path, *names: str) -> dict[str, bytes]:
    """All without names. Raises FileNotFoundError."""
    with file.open("rb") as opened, ZipFile(opened) as packed:
        return {name: packed.read(name) for name in names or packed.namelist()}


@lru_cache(64)
def _index(page: bytes, base: str) -> Asset:
    content = page.replace(_BASE, b'<base href="%b">' % _escaped(base).encode(), 1)
    return Asset(content, MediaType.HTML, f'"{sha256(content).hexdigest()[:32]}"', {})


def _escaped(path: str) -> str:
    return re.sub(r'[&"<>]', lambda found: f"&#{ord(found[0])};", path)


def _respond(request: Request[Any, Any, Any], found: Asset, caching: str) -> Response[Any]:
    headers = {**_HEADERS, "etag": found.tag, "cache-control": caching}
    if conditional.matches(request.headers.get("if-none-match"), found.tag):
        return Response(None, status_code=304, headers=headers)
    accepted = request.headers.get("accept-encoding", "").encode("latin-1")
    encoding = encodings.answer_encoding(accepted, tuple(found.encoded)) if found.encoded else None
    if encoding is None:
        return Response(found.content, media_type=found.media_type, headers=headers)
    coded = {**headers, "content-encoding": encoding, "vary": "accept-encoding"}
    return Response(found.encoded[encoding], media_type=found.media_type, headers=coded)


ROUTES = [home, top_page, deep_page, asset, fixed]
GUARDS: Guards = {("GET", bare(path)): PUBLIC for route in ROUTES for path in route.paths}
