"""`track` of the command line: an endpoint that is polled from now on, and its first poll."""

from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.errors import Conflict, Invalid
from delta_server.core.polling import checks, trial
from delta_server.core.polling import settings as polling_settings
from delta_server.core.polling.settings import PollingChange
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointChange
from delta_server.features.polling import service as polling
from delta_server.features.polls import service
from delta_server.features.polls.running import RunningPolls
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class Track(msgspec.Struct, frozen=True):
    """`polling` is as on the wire; `project` and `endpoint` are names, None for the default and for one made of the
    address."""

    polling: dict[str, Any]
    project: str | None
    endpoint: str | None


class Tracked(msgspec.Struct, frozen=True):
    """What the first poll found. `is_served`: a server goes on with it."""

    project: str
    endpoint: str
    status: int | None
    received_bytes: int
    error_class: str | None
    detail: str | None
    next_at: str | None
    is_served: bool


async def _track(svc: Services, wanted: Track, _: Progress) -> Tracked:
    """Raises Invalid, Conflict where the endpoint is polled already."""
    try:
        change = msgspec.convert(wanted.polling, PollingChange)
    except msgspec.ValidationError as error:
        raise Invalid(f"the settings of polling are not valid: {error}") from None
    settings = polling_settings.changed(None, change)
    checks.validate(settings)
    project, project_name = await svc.db.write(projects.ensure_project, wanted.project)
    name = wanted.endpoint or trial.name_of(polling_settings.masked_url(settings.url))
    endpoint = await svc.db.write(endpoints.ensure, project, name)
    if svc.db.peek(polling.find, endpoint.id) is not None:
        raise Conflict(f"{name} is polled already: give another name with --endpoint")
    await endpoints.update_endpoint(svc, project, name, EndpointChange(polling=change))
    row, now = await service.poll_if_due(svc, endpoint)
    return Tracked(
        project=project_name,
        endpoint=name,
        status=row.status if row else None,
        received_bytes=row.size_bytes if row else 0,
        error_class=row.error_class if row else None,
        detail=row.detail if row else None,
        next_at=None if now.due_at is None else times.format(now.due_at),
        is_served=RunningPolls.of(svc).is_looping,
    )


COMMANDS: dict[str, Command] = {"track": Command(Track, Tracked, _track)}
