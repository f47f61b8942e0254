"""Endpoints that are polled, without HTTP and without the loop."""

from typing import Any

import msgspec

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.polling.settings import PollingChange
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.schemas import EndpointChange
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.polling import service as polling
from delta_server.features.polls import service as polls
from delta_server.features.polls.running import RunningPolls
from delta_server.features.polls.store import PollRow
from delta_server.features.projects import service as projects
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.idempotency import IdempotencyKey as IdempotencyKey


async def project(svc: Services, name: str = "mine") -> int:
    return await svc.db.write(lambda tx: projects.ensure(tx, accounts.default_account(tx), name).id)


async def polled(svc: Services, url: str, name: str = "prices", **settings: Any) -> EndpointRef:
    """It is due now."""
    of = await project(svc)
    await svc.db.write(endpoints.ensure, of, name)
    return await changed(svc, endpoints.resolve(svc, of, name), url=url, **({"interval": "5m"} | settings))


async def changed(svc: Services, endpoint: EndpointRef, **settings: Any) -> EndpointRef:
    change = EndpointChange(polling=msgspec.convert(settings, PollingChange))
    await endpoints.update_endpoint(svc, endpoint.project, endpoint.name, change)
    return endpoint


def snapshot(endpoint: EndpointRef, at: int) -> NewSnapshot:
    """Of somebody else than the poll."""
    return NewSnapshot(endpoint, b"{}", at, is_latest=True)


async def run_due(svc: Services) -> None:
    """All that is due, to its end."""
    running = RunningPolls.of(svc)
    await running.begin_due()
    await running.ended()


async def poll(svc: Services, endpoint: EndpointRef) -> PollRow:
    """Now, whatever the schedule says."""
    row, _ = await polls.poll_now(svc, endpoint)
    assert row is not None
    return row


def row(svc: Services, endpoint: EndpointRef) -> polling.Polled:
    found = svc.db.peek(polling.find, endpoint.id)
    assert found is not None
    return found


async def record(svc: Services, endpoint: EndpointRef) -> list[PollRow]:
    """The earliest first."""
    found = await polls.list_polls(svc, endpoint, TimelineSpan(), classes=None, changed=None, limit=1000)
    return found[::-1]


async def documents(svc: Services, endpoint: EndpointRef) -> list[bytes]:
    """What was stored, the earliest first."""
    rows = await snapshots.list_snapshots(
        svc, endpoint.project, endpoint, TimelineSpan(), limit=1000, changed_only=False
    )
    return [await snapshots.read_document(svc, one) for one in reversed(rows)]


async def happened(svc: Services, endpoint: EndpointRef, prefix: str = "poll.") -> list[tuple[str, Any]]:
    found = await svc.db.read(outbox.read_of, endpoint.project, 0, 1000)
    return [(one.kind, msgspec.json.decode(one.body)) for one in found if one.kind.startswith(prefix)]
