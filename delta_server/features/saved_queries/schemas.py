"""Saved queries on the wire."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.json_schema import documented
from delta_server.core.names import Name
from delta_server.core.query.saved import LONGEST_VIEW, Kind

View = Annotated[str, documented(maxLength=LONGEST_VIEW)]


class NewSavedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`spec` is the body of the kind's route: POST /v1/query for `explorer`, /v1/sql, /v1/query/funnel, /retention or
    /paths for the others."""

    name: Name
    kind: Kind
    spec: dict[str, Any]
    view: View | None = None


class SavedQueryChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query stays of its kind."""

    name: Name | UnsetType = UNSET
    spec: dict[str, Any] | UnsetType = UNSET
    view: View | UnsetType | None = UNSET


class SavedQueryItem(msgspec.Struct, frozen=True):
    id: str
    name: str
    kind: Kind
    view: str | None
    created_at: str
    updated_at: str


class SavedQuery(msgspec.Struct, frozen=True):
    id: str
    name: str
    kind: Kind
    spec: msgspec.Raw
    view: str | None
    created_at: str
    updated_at: str


class SavedQueryAnswer(msgspec.Struct, frozen=True):
    saved_query: SavedQuery


EXAMPLE_NEW: dict[str, Any] = {
    "name": "Visitors by hour",
    "kind": "explorer",
    "spec": {"metrics": ["unique_users"], "groupBy": ["time:1h"], "range": "7d", "fill": "zero"},
    "view": "m=unique_users",
}
_SAVED: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8070",
    "name": "Visitors by hour",
    "kind": "explorer",
    "view": "m=unique_users",
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
}
EXAMPLE = {**_SAVED, "spec": EXAMPLE_NEW["spec"]}
EXAMPLE_ITEM = _SAVED

FIELDS = {
    "SavedQueryAnswer.saved_query": "The saved query",
    "SavedQuery.id": "Its id",
    "SavedQuery.kind": "What it asks: `explorer`, `sql`, `funnel`, `retention` or `paths`",
    "SavedQuery.spec": "The body of the kind's route",
    "SavedQuery.view": "The query of the dashboard's address that draws it; null where nobody said",
    "SavedQueryItem.id": "Its id",
    "SavedQueryItem.kind": "What it asks: `explorer`, `sql`, `funnel`, `retention` or `paths`",
    "SavedQueryItem.view": "The query of the dashboard's address that draws it; null where nobody said",
}
"""What the API's description says of the fields of answers."""
