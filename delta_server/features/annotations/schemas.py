"""Annotations on the wire."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.json_schema import documented

LONGEST_TEXT, LONGEST_LINK = 500, 1_000

Kind: TypeAlias = Literal["deploy", "incident", "release", "campaign", "note"]
Text = Annotated[str, documented(minLength=1, maxLength=LONGEST_TEXT)]
Link = Annotated[str, documented(maxLength=LONGEST_LINK)]


class NewAnnotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `time` it is of now; `end` makes it a stretch. `link` begins with https:// or http://."""

    text: Text
    time: str | None = None
    end: str | None = None
    kind: Kind = "note"
    link: Link | None = None


class AnnotationChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Text | UnsetType = UNSET
    time: str | UnsetType = UNSET
    end: str | UnsetType | None = UNSET
    kind: Kind | UnsetType = UNSET
    link: Link | UnsetType | None = UNSET


class Annotation(msgspec.Struct, frozen=True):
    id: str
    time: str
    end: str | None
    kind: Kind
    text: str
    link: str | None
    created_at: str
    updated_at: str


class AnnotationAnswer(msgspec.Struct, frozen=True):
    annotation: Annotation


EXAMPLE_NEW: dict[str, Any] = {
    "time": "2026-05-01T12:00:00Z",
    "kind": "deploy",
    "text": "1.4.2",
    "link": "https://git.example.com/shop/releases/1.4.2",
}
EXAMPLE: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8071",
    "time": "2026-05-01T12:00:00.000Z",
    "end": None,
    "kind": "deploy",
    "text": "1.4.2",
    "link": "https://git.example.com/shop/releases/1.4.2",
    "created_at": "2026-05-01T12:00:03.000Z",
    "updated_at": "2026-05-01T12:00:03.000Z",
}

FIELDS = {
    "AnnotationAnswer.annotation": "The annotation",
    "Annotation.id": "Its id",
    "Annotation.time": "When it was, or began",
    "Annotation.end": "When it ended; null for a moment",
    "Annotation.kind": "What it is of: `deploy`, `incident`, `release`, `campaign` or `note`",
    "Annotation.text": "What was noted",
    "Annotation.link": "Where there is more about it",
}
"""What the API's description says of the fields of answers."""
