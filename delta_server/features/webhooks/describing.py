"""What there is to say of happenings. One in the outbox may be several messages: it holds the numbers of rows that were
written together, and a delta is one for those who hear of deltas, of significant ones, or of fields."""

from collections.abc import Iterator, Sequence

import msgspec

from delta_server.core.webhooks import filters, kinds
from delta_server.core.webhooks.filters import Change, ChangedField, Filter, Subject
from delta_server.core.webhooks.messages import Message
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints.service import NamedEndpoint
from delta_server.features.snapshots import service as snapshots
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.storage.outbox import Happening

MOST_FIELDS = 50
"""Listed in one message: it is to stay below 20 kB."""
_SIGNIFICANT = "content"
"""The kind of deltas in which values changed: not only order, form, or what the endpoint ignores."""

_encode = msgspec.json.encode


class _OfEndpoint(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint | None = None
    tell: Sequence[str] | None = None


def messages_of(tx: Tx, happening: Happening) -> Iterator[Message]:
    """In the order in which it happened. What was deleted since is left out."""
    project, at = happening.project, happening.at
    if happening.kind == snapshots.CREATED:
        for stored in snapshots.describe(tx, project, outbox.rows_of(happening)):
            kind = "snapshot.unchanged" if stored.snapshot.unchanged else happening.kind
            yield Message(kind, at, _encode(stored), _subject(stored.endpoint))
    elif happening.kind == deltas.CREATED:
        for created, counts in deltas.describe_with_fields(tx, project, outbox.rows_of(happening)):
            fields = [ChangedField(count.pattern, count.changes) for count in counts]
            change = Change(created.delta.changes_count, created.delta.similarity_score, fields)
            message = Message(happening.kind, at, _encode(created), _subject(created.endpoint, change))
            yield message
            if created.delta.kind == _SIGNIFICANT:
                yield msgspec.structs.replace(message, kind="delta.significant")
                if fields:
                    yield msgspec.structs.replace(message, kind="field.changed")
    elif happening.kind in kinds.KINDS:
        body = happening.body.encode()
        of = msgspec.json.decode(body, type=_OfEndpoint)
        yield Message(happening.kind, at, body, msgspec.structs.replace(_subject(of.endpoint), tell=of.tell))


def data_for(message: Message, filter: Filter) -> bytes:
    """What it says to those with the filter: of a changed field those that they mean."""
    change = message.subject.change
    if change is None:
        return message.data
    fields = filters.fields_of(filter, change.fields) if message.kind == "field.changed" else change.fields
    listed = _encode({"fields": fields[:MOST_FIELDS], "fields_count": len(fields)})
    return message.data[:-1] + b"," + listed[1:]


def _subject(endpoint: NamedEndpoint | None, change: Change | None = None) -> Subject:
    return Subject() if endpoint is None else Subject(endpoint.id, endpoint.name, change)
