"""Visits on the wire."""

from typing import Annotated, Any

import msgspec

from delta_server.core.json_schema import documented
from delta_server.core.origins import ANY, MAX_ORIGINS
from delta_server.core.visits.visit import VisitFields


class VisitSettings(msgspec.Struct, frozen=True):
    """What is kept of visits, and which sites may send them."""

    origins: tuple[str, ...] = (ANY,)
    fields: VisitFields = VisitFields()


class NewVisitFields(VisitFields, frozen=True, forbid_unknown_fields=True):
    """What is absent is kept."""


class NewVisitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`origins` are as browsers write them, `https://shop.example`; `*` is any site."""

    origins: Annotated[tuple[str, ...], documented(maxItems=MAX_ORIGINS)] = (ANY,)
    fields: NewVisitFields = NewVisitFields()


EXAMPLE_SETTINGS: dict[str, Any] = {
    "origins": ["https://shop.example"],
    "fields": {**dict.fromkeys(VisitFields.__struct_fields__, True), "country": False},
}
EXAMPLE_VISIT: dict[str, Any] = {
    "event": "page",
    "url": "https://shop.example/pricing?utm_source=news",
    "referrer": "https://news.example/",
    "width": 1440,
    "timeZone": "Europe/Berlin",
    "language": "de-DE",
}

FIELDS = {
    "VisitSettings.origins": "The sites that may send visits; * is any",
    "VisitSettings.fields": "What is kept of a visit",
    "VisitFields.path": "The page’s path",
    "VisitFields.referrer": "The host that led to the page",
    "VisitFields.utm": "The parameters utm_source, utm_medium, utm_campaign, utm_term and utm_content",
    "VisitFields.country": "The country that the browser’s time zone or language names",
    "VisitFields.device": "desktop, mobile or tablet",
    "VisitFields.browser": "The browser’s family, without its version",
    "VisitFields.screen": "The class of the screen’s width",
    "VisitFields.engagement": "For how long the page was in view",
    "VisitFields.visitor": "An id of the visitor for one day",
}
