"""RSS 0.9 to 2.0, RDF and Atom as JSON Feed 1.1 (jsonfeed.org), whatever their dialect.

    {"version": "https://jsonfeed.org/version/1.1", "title": "..", "home_page_url": "..", "items": [
      {"id": "..", "url": "..", "title": "..", "content_html": "..", "date_published": "2026-05-01T09:00:00.000Z",
       "authors": [{"name": ".."}], "tags": [], "attachments": []}]}

`authors`, `tags` and `attachments` are there when empty, too; `_extensions` has the texts of elements of other
vocabularies (`itunes_duration`), and `where` of GeoRSS. Text is as it was sent: HTML is not cleaned, links stay as
they are.
"""

import calendar
import io
from typing import Any

import feedparser

from delta_server.core import times
from delta_server.core.formats.bounds import MAX_VALUES, NotReadable

VERSION = "https://jsonfeed.org/version/1.1"

_READ = (
    "id guidislink link links title title_detail summary summary_detail content author author_detail authors tags"
    " published published_parsed updated updated_parsed created created_parsed expired expired_parsed source base"
    " language subtitle subtitle_detail image icon logo rights rights_detail generator generator_detail contributors"
    " publisher publisher_detail cloud textinput docs ttl errorreportsto"
)
_OTHERS_THAN = frozenset(_READ.split())
_LONGEST_AUTHOR = 1000
_read_author = feedparser.mixin._FeedParserMixin._sync_author_detail


def _read_short_author(parser: Any, key: str = "author") -> None:
    """Its pattern of e-mail addresses takes 30 s for 60 kB: what is as long as that stays the text it is."""
    if len(parser._get_context().get(key) or "") <= _LONGEST_AUTHOR:
        _read_author(parser, key)


feedparser.mixin._FeedParserMixin._sync_author_detail = _read_short_author


def read(text: str) -> Any:
    """Raises NotReadable."""
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        # A stream: a plain argument would be opened as a file or fetched as a URL
        found = feedparser.parse(
            io.BytesIO(text.encode()), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
        )
    except (UnicodeEncodeError, RecursionError, ValueError, AssertionError):
        raise NotReadable("the feed cannot be read: it is malformed XML") from None
    if not found.get("version"):
        raise NotReadable("the XML is not RSS or Atom")
    if len(found.entries) > MAX_VALUES // 20:
        raise NotReadable(f"the feed has more than {MAX_VALUES // 20:,} items")
    about = found.feed
    return _present(
        version=VERSION,
        title=_text(about, "title"),
        home_page_url=_link(about),
        description=_text(about, "subtitle"),
        language=_text(about, "language"),
        icon=_text(about, "icon") or _text(about.get("image") or {}, "href"),
        date_modified=_date(about, "updated") or _date(about, "published"),
        authors=_authors(about),
        items=[_item(entry) for entry in found.entries],
    )


def _item(entry: Any) -> dict[str, Any]:
    bodies = {each.get("type") != "text/plain": each.get("value") for each in entry.get("content") or ()}
    link = _link(entry)
    return _present(
        id=_text(entry, "id") or link or _text(entry, "title"),
        url=link,
        title=_text(entry, "title"),
        summary=_text(entry, "summary"),
        content_html=bodies.get(True),
        content_text=bodies.get(False),
        date_published=_date(entry, "published"),
        date_modified=_date(entry, "updated"),
        authors=_authors(entry),
        tags=[tag["term"] for tag in entry.get("tags") or () if tag.get("term")],
        attachments=[_attachment(link) for link in entry.get("links") or () if link.get("rel") == "enclosure"],
        _extensions=_extensions(entry) or None,
    )


def _extensions(entry: Any) -> dict[str, Any]:
    others = [(name, value) for name, value in entry.items() if name not in _OTHERS_THAN]
    found: dict[str, Any] = {name: value for name, value in others if isinstance(value, str) and value}
    place = dict.get(entry, "where")  # of GeoRSS, as a geometry of GeoJSON
    if isinstance(place, dict) and "coordinates" in place:
        found["where"] = {"type": place.get("type"), "coordinates": place["coordinates"]}
    return found


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _text(of: Any, name: str) -> str | None:
    value = dict.get(of, name)  # its own get() finds what is not there under other names, with a warning
    return value if isinstance(value, str) and value else None


def _link(of: Any) -> str | None:
    """feedparser takes an id for a link where there is none; `urn:uuid:...` is no address."""
    link = _text(of, "link")
    return link if link is None or dict.get(of, "links") or "://" in link else None


def _date(of: Any, name: str) -> str | None:
    """In UTC; as it was written where nobody understands it."""
    parsed = dict.get(of, f"{name}_parsed")
    if parsed is None:
        return _text(of, name)
    try:
        return times.format(calendar.timegm(parsed) * 1000)
    except (ValueError, OverflowError):
        return _text(of, name)


def _authors(of: Any) -> list[dict[str, str]]:
    """The same person may be listed under `author` alone."""
    people = dict.get(of, "authors") or ()
    found = [_present(name=_text(one, "name") or _text(one, "email"), url=_text(one, "href")) for one in people]
    return [person for person in found if person]


def _attachment(link: Any) -> dict[str, Any]:
    size = str(link.get("length") or "")
    return _present(
        url=_text(link, "href"),
        mime_type=_text(link, "type"),
        size_in_bytes=int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
    )
