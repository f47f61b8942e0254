"""Feeds on the wire."""

from typing import Annotated

import msgspec

from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS
from delta_server.core.secret_addresses import DEFAULT_OVERLAP


class NewFeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`endpoint_id` is an id or a name; without it the feed is of all endpoints of the project."""

    endpoint_id: Annotated[str, documented(maxLength=MAX_CHARACTERS)] | None = None


class FeedRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap` is for how long the address before works, `0m` for not at all, 30d at most."""

    overlap: Annotated[str, documented(maxLength=20)] = DEFAULT_OVERLAP


class Feed(msgspec.Struct, frozen=True):
    id: str
    endpoint_id: str | None
    endpoint: str | None
    old_token_until: str | None
    created_at: str


class FeedAnswer(msgspec.Struct, frozen=True):
    """The addresses are shown this once, and null when the request is repeated."""

    feed: Feed
    token: str | None
    atom: str | None
    json: str | None


EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8062",
    "endpoint_id": "01890a5d-ac96-774b-bcce-b302099a8060",
    "endpoint": "prices",
    "old_token_until": None,
    "created_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE_ANSWER = {
    "feed": EXAMPLE,
    "token": "dk_feed_3f9a1c...",
    "atom": "https://delta.example.com/v1/feeds/dk_feed_3f9a1c.../atom.xml",
    "json": "https://delta.example.com/v1/feeds/dk_feed_3f9a1c.../feed.json",
}
EXAMPLE_ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:uuid:01890a5d-...</id><title>Changes of prices</title>'
    "<updated>2026-05-01T12:00:00.000Z</updated><entry>...</entry></feed>"
)
EXAMPLE_JSON = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "Changes of prices",
    "items": [
        {
            "id": "urn:uuid:01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
            "title": "prices: 1 replaced",
            "content_html": "<ul><li><code>/EUR</code>: <code>1.08</code> → <code>1.09</code></li></ul>",
            "date_published": "2026-05-01T12:00:00.000Z",
            "authors": [{"name": "prices"}],
        }
    ],
}

FIELDS = {
    "Feed.id": "The feed's id",
    "Feed.endpoint_id": "The endpoint whose changes it has; null for all of the project",
    "Feed.endpoint": "Its name",
    "Feed.old_token_until": "Until when the address before works; null where there is none",
    "FeedAnswer.feed": "The feed",
    "FeedAnswer.token": "The secret in its addresses, shown this once; null when the request is repeated",
    "FeedAnswer.atom": "The address of the Atom feed; only the path where the server does not know its address"
    " (server.public_url)",
    "FeedAnswer.json": "The address of the JSON Feed, likewise",
}
"""What the API's description says of the fields of answers."""
