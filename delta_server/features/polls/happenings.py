"""`poll.failed` and `poll.recovered`, written in the transaction that records the poll. A poll that failed is tried
again first: what others hear of is an endpoint that keeps failing, and one that is paused for it."""

import msgspec

from delta_server.core import ids, times
from delta_server.core.polling.schedule import State, Verdict
from delta_server.features.endpoints.service import EndpointRef, NamedEndpoint
from delta_server.features.polls.store import PollRow
from delta_server.storage import outbox
from delta_server.storage.database import Tx

FAILED, RECOVERED = "poll.failed", "poll.recovered"


class ShownPoll(msgspec.Struct, frozen=True, rename={"error_class": "class"}):
    """`since` is when the first of the failures in a row was."""

    time: str
    status: int | None
    error_class: str | None
    detail: str | None
    failures: int
    since: str | None
    state: State


class PollHappened(msgspec.Struct, frozen=True):
    endpoint: NamedEndpoint
    poll: ShownPoll


def write(tx: Tx, endpoint: EndpointRef, row: PollRow, verdict: Verdict) -> None:
    if verdict.says is None:
        return
    standing = verdict.standing
    state: State = "on" if verdict.says == "recovered" else "paused" if verdict.says == "paused" else "backing_off"
    since = None if standing.failing_since is None else times.format(standing.failing_since)
    said = PollHappened(
        NamedEndpoint(ids.text(endpoint.uid), endpoint.name),
        ShownPoll(times.format(row.at), row.status, row.error_class, row.detail, standing.failures, since, state),
    )
    kind = RECOVERED if verdict.says == "recovered" else FAILED
    outbox.write(tx, endpoint.project, kind, msgspec.json.encode(said).decode())
