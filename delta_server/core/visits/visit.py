"""What the script and the pixel of a website say: that a page is seen, left, or that something happened on it.

    {"event": "page", "url": "https://shop.example/pricing?utm_source=news", "referrer": "https://news.example/",
     "width": 1440, "timeZone": "Europe/Berlin", "language": "de-DE"}

The time is the server's, and nobody is identified: whoever has the key, which all have, cannot write more than visits.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from delta_server.core.errors import BadRequest, Forbidden, Invalid
from delta_server.core.events import event_batch, validate
from delta_server.core.events.event import Event
from delta_server.core.events.event_batch import Item, Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.core.events.profile_update import ProfileUpdate
from delta_server.core.events.validate import MOST_ID, NULL, members, text
from delta_server.core.visits import countries, pages, visitors
from delta_server.core.visits.agents import Agent
from delta_server.core.visits.pages import PageAddress

SEEN, LEFT = "page", "page_leave"
SOURCE = "web"
NOT_OF_PAGES = frozenset({"identify", "group", "alias"})
"""Other calls' types, which say who somebody is."""
_WIDTHS = ((576, "under 576"), (992, "576 to 991"), (1440, "992 to 1439"))
_WIDEST = "1440 and more"
_MOST_PARAMETERS = 100


class VisitFields(msgspec.Struct, frozen=True):
    """Which fields a project keeps."""

    path: bool = True
    referrer: bool = True
    utm: bool = True
    country: bool = True
    device: bool = True
    browser: bool = True
    screen: bool = True
    engagement: bool = True
    visitor: bool = True


class Sender(msgspec.Struct, frozen=True):
    """What is known of a request beside what it says. `origin` is None where the browser did not say it; `salt` None
    where no id is made up for the visitor."""

    agent: Agent
    fields: VisitFields
    zones: Mapping[str, str]
    address: str
    user_agent: str
    origin: str | None = None
    salt: bytes | None = None


class _Visit(msgspec.Struct, rename="camel", gc=False):
    event: Any = None
    url: Any = None
    referrer: Any = None
    width: Any = None
    time_zone: Any = None
    language: Any = None
    engaged: Any = None
    visitor: Any = None
    automated: Any = None
    data: msgspec.Raw = NULL


_decode = msgspec.json.Decoder(_Visit).decode


def parse_body(body: bytes, arrival: Arrival, sender: Sender) -> Parsed:
    """What the script sends. Raises BadRequest, Invalid, TooLarge, Forbidden for a page of another site."""
    return event_batch.read_one(body, partial(_read, arrival, sender))


def _read(arrival: Arrival, sender: Sender, item: Item, _: list[ProfileUpdate]) -> Event:
    validate.size(item, arrival)
    return _event(_decode(item), arrival, sender)


def parse_query(query: bytes, arrival: Arrival, sender: Sender, page: str | None) -> Parsed:
    """What the pixel is asked with, on `page`, as far as its browser says. Raises as `parse_body`."""
    try:
        pairs = parse_qsl(query.decode(), errors="strict", max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise BadRequest("the query string is not valid UTF-8") from None
    except ValueError:
        raise BadRequest(f"the query string has more than {_MOST_PARAMETERS} parameters") from None
    given = dict(reversed(pairs))
    url = given.get("url", page)
    if "path" in given and url is not None:
        url = pages.read_address(url).origin + "/" + given["path"].lstrip("/")
    if url is not None and (campaign := {name: given[name] for name in pages.UTM if name in given}):
        url += ("&" if "?" in url else "?") + urlencode(campaign)
    visit = _Visit(given.get("event"), url, given.get("referrer"), visitor=given.get("visitor"))
    return Parsed([_event(visit, arrival, sender)], [], [])


def _event(visit: _Visit, arrival: Arrival, sender: Sender) -> Event:
    type_ = SEEN if visit.event is None else validate.event_type(visit.event, "event")
    if type_ in NOT_OF_PAGES:
        raise Invalid(f"a page cannot send {type_}: it says who somebody is", field="event")
    if type(visit.url) is not str:
        raise Invalid("url is missing: say which page it is", field="url")
    page = pages.read_address(visit.url)
    if sender.origin not in (None, "null", page.origin):
        raise Forbidden("the page is not of the site that sends this")
    own = members(validate.json_data(visit.data))
    flag = {"bot": True} if sender.agent.bot or visit.automated is True else {}
    engaged = validate.duration(visit.engaged) if sender.fields.engagement else None
    return Event(
        arrival.received_at,
        arrival.received_at,
        type_,
        source=SOURCE,
        anonymous_id=_visitor(visit, page, sender),
        duration=engaged,
        flags=arrival.flags,
        data=validate.joined({**_facts(visit, page, sender), **own, "host": page.host, **flag}),
    )


def _visitor(visit: _Visit, page: PageAddress, sender: Sender) -> str | None:
    given = text(visit.visitor, "visitor", MOST_ID)
    if given is not None or sender.salt is None:
        return given
    return visitors.visitor_id(sender.salt, page.host, sender.address, sender.user_agent)


def _facts(visit: _Visit, page: PageAddress, sender: Sender) -> dict[str, Any]:
    """What is kept of a visit, of any event of a page."""
    kept, zone, language = sender.fields, visit.time_zone, visit.language
    referrer = pages.host_of(visit.referrer) if type(visit.referrer) is str else None
    found = {
        "path": page.path if kept.path else None,
        "referrer": referrer if kept.referrer and referrer != page.host else None,
        "country": countries.country(sender.zones, _text(zone), _text(language)) if kept.country else None,
        "device": sender.agent.device if kept.device else None,
        "browser": sender.agent.browser if kept.browser else None,
        "screen": width_class(visit.width) if kept.screen else None,
    }
    return {"host": page.host, **found, **(page.utm if kept.utm else {})}


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def width_class(value: Any) -> str | None:
    """The class of a screen's width, which tells no device from another."""
    if type(value) not in (int, float) or value <= 0:
        return None
    return next((name for below, name in _WIDTHS if value < below), _WIDEST)
