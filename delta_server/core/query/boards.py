"""Boards: tiles of saved queries in an order, and what of them a link may run."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from urllib.parse import urlsplit

import msgspec

from delta_server.core.errors import Invalid

MOST_TILES = 24
WIDEST, HIGHEST = 3, 2
LONGEST_TITLE = 200
MOST_FRAMES = 10
_LONGEST_FRAME = 200
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class Tile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id` is the board's own, so that a link knows the tile wherever it stands. `width` of three columns."""

    id: str
    query_id: str
    title: str | None = None
    width: int = 1
    height: int = 1


def checked_tiles(tiles: list[Tile]) -> list[Tile]:
    """Raises Invalid."""
    if len(tiles) > MOST_TILES:
        raise Invalid(f"a board has {MOST_TILES} tiles at most", field="tiles")
    if len({tile.id for tile in tiles}) < len(tiles):
        raise Invalid("two tiles have one id", field="tiles")
    for n, tile in enumerate(tiles):
        if not (1 <= len(tile.id) <= 40 and tile.id.isascii() and tile.id.replace("-", "").isalnum()):
            raise Invalid(f"tiles[{n}].id must be 1 to 40 letters, digits and hyphens", field=f"tiles[{n}].id")
        if not (1 <= tile.width <= WIDEST and 1 <= tile.height <= HIGHEST):
            raise Invalid(f"tiles[{n}] must be 1 to {WIDEST} wide and 1 to {HIGHEST} high", field=f"tiles[{n}].width")
        if tile.title is not None and (len(tile.title) > LONGEST_TITLE or not tile.title.isprintable()):
            raise Invalid(
                f"tiles[{n}].title must be one line of {LONGEST_TITLE} characters at most", field=f"tiles[{n}].title"
            )
    return tiles


def checked_frames(sites: list[str]) -> list[str]:
    """Origins that may embed a page, as a policy has them: `https://example.com`. Raises Invalid."""
    if len(sites) > MOST_FRAMES:
        raise Invalid(f"frame_ancestors has {MOST_FRAMES} sites at most", field="frame_ancestors")
    return [_origin(site, f"frame_ancestors[{n}]") for n, site in enumerate(sites)]


def digest(kind: str, spec: str) -> str:
    """Names a question: with another spec it is another."""
    return blake2b(f"{kind}\0{spec}".encode(), digest_size=16).hexdigest()


def digest_of_all(questions: Mapping[str, str]) -> str:
    """Names what a board asks: `questions` are digests, by tile."""
    return blake2b(msgspec.json.encode(sorted(questions.items())), digest_size=16).hexdigest()


def _origin(site: str, at: str) -> str:
    """Nothing that could end the directive of the policy it is written into."""
    try:
        parts = urlsplit(site)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    is_host = bool(_HOST.fullmatch(host)) and len(site) <= _LONGEST_FRAME
    found = f"{parts.scheme}://{host}{'' if port is None else f':{port}'}"
    if parts.scheme not in ("https", "http") or not is_host or site.lower().rstrip("/") != found:
        raise Invalid(f"{at} must be a site like https://intranet.example.com", field=at)
    return found
