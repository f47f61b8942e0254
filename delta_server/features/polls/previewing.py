"""A configuration tried: asked for once or twice, nothing stored."""

import asyncio
from contextlib import suppress

import msgspec

from delta_server.core import ids
from delta_server.core.errors import NotFound
from delta_server.core.polling import checks, outcome, trial
from delta_server.core.polling import settings as polling_settings
from delta_server.core.polling.outcome import PollFailed, Source
from delta_server.core.polling.settings import PollingChange, PollingSettings
from delta_server.core.polling.trial import Conditional, Judged, Suggested
from delta_server.core.sealing import Unreadable
from delta_server.egress.steps import Steps
from delta_server.features.endpoints import service as endpoints
from delta_server.features.polling import service as polling
from delta_server.features.polls import reading
from delta_server.features.polls.reading import Fetched
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.turns import Turns

AT_ONCE = 8
PAUSE_S = 1.1
"""Between two tries: a time in seconds is then another."""
WAIT_S = 20.0
LONGEST_S = 90.0


class _Previews:
    """Of all projects, which take turns."""

    def __init__(self) -> None:
        self.turns = Turns(AT_ONCE)


class Preview(msgspec.Struct, frozen=True):
    """`conditional` names what makes later requests conditional."""

    fetched: Fetched
    judged: Judged
    suggested: Suggested
    conditional: Conditional
    tracked_by: str | None


async def preview(
    svc: Services, project: int, wanted: PollingChange, endpoint: str | None, steps: Steps, *, tries: int
) -> Preview:
    """With `endpoint`, whose secrets stand behind the masks in `wanted`. Raises Invalid, NotFound, PollFailed,
    RateLimited, Unavailable when its turn does not come."""
    settings = _settings(svc, project, wanted, endpoint)
    turns = svc.state(_Previews).turns
    await turns.take(project, seconds=WAIT_S)
    try:
        async with asyncio.timeout(LONGEST_S):
            return await _tried(svc, project, settings, steps, tries=tries)
    except TimeoutError:
        raise PollFailed("timeout", f"not done after {LONGEST_S:g} s") from None
    finally:
        turns.give_back(project, may_rest=False)


def _settings(svc: Services, project: int, wanted: PollingChange, endpoint: str | None) -> PollingSettings:
    before = None
    if endpoint is not None:
        row = svc.db.peek(polling.find, endpoints.resolve(svc, project, endpoint).id)
        with suppress(Unreadable):
            before = None if row is None else polling.settings_of(row, svc.vault)
    settings = polling_settings.changed(before, wanted)
    checks.validate(settings, scheduled=False)
    return settings


async def _tried(svc: Services, project: int, settings: PollingSettings, steps: Steps, *, tries: int) -> Preview:
    first = last = await reading.fetch(svc, settings, {}, steps, large=False)
    assert first.read is not None, "nothing was asked for on a condition"
    source = outcome.validators(first.answer.headers, hash=first.read.hash, large=first.is_large)
    with suppress(PollFailed):  # what was answered once is shown
        for _ in range(tries - 1):
            await asyncio.sleep(PAUSE_S)
            last = await reading.fetch(svc, settings, {}, Steps(), large=first.is_large)
    assert last.read is not None, "as above"
    results, sources = (first.read.result, last.read.result), (first.read.source, last.read.source)
    size = sum(map(len, results)) + sum(map(len, sources))
    judged = await svc.cpu_for(size)(trial.judged, results, None if settings.transform is None else sources)
    return Preview(
        last,
        judged,
        trial.suggested(polling_settings.masked_url(settings.url), first.answer.headers),
        _conditional(settings, source),
        await svc.db.read(_tracked_by, project, settings.url),
    )


def _conditional(settings: PollingSettings, source: Source) -> Conditional:
    if not outcome.may_be_conditional(settings):
        return "none"
    return "etag" if source.etag else "last_modified" if source.last_modified else "none"


def _tracked_by(tx: Tx, project: int, url: str) -> str | None:
    """The endpoint that asks the same address."""
    for uid in polling.asking(tx, project, polling_settings.masked_url(url)):
        with suppress(NotFound):
            return endpoints.find(tx, project, ids.text(uid)).name
    return None
