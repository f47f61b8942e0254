"""A configuration tried: asked for once or twice, nothing stored."""

import asyncio
from contextlib import suppress

import msgspec

from delta_server.core import ids
from delta_server.core.errors import NotFound
from delta_server.core.polling import checks, outcome, trial
from delta_server.core.polling import settings as polling_settings
from delta_server.core.polling.outcome import PollFailed, Read
from delta_server.core.polling.settings import PollingChange, PollingSettings
from delta_server.core.polling.trial import Conditional, Judged
from delta_server.core.sealing import Unreadable
from delta_server.egress.steps import Steps
from delta_server.features.endpoints import service as endpoints
from delta_server.features.polling import service as polling
from delta_server.features.polls import reading, tried
from delta_server.features.polls.reading import Fetched
from delta_server.features.polls.tried import Tried, TriedSources
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
    """`read` is of the later answer."""

    tried: Tried
    read: Read
    judged: Judged
    tracked_by: str | None


async def preview(
    svc: Services,
    project: int,
    wanted: PollingChange,
    endpoint: str | None,
    steps: Steps,
    *,
    tries: int,
    reuse: bool = False,
) -> Preview:
    """With `endpoint`, whose secrets stand behind the masks in `wanted`. With `reuse` the source is not asked again
    where it was lately. Raises Invalid, NotFound, PollFailed, RateLimited, Unavailable when its turn does not come."""
    settings = _settings(svc, project, wanted, endpoint)
    turns = svc.state(_Previews).turns
    await turns.take(project, seconds=WAIT_S)
    try:
        async with asyncio.timeout(LONGEST_S):
            found = svc.state(TriedSources).find(project, settings, svc.clock.now_ms()) if reuse else None
            if found is not None:
                return await _made_of(svc, project, settings, found)
            return await _asked(svc, project, settings, steps, tries=tries)
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


async def _asked(svc: Services, project: int, settings: PollingSettings, steps: Steps, *, tries: int) -> Preview:
    first = last = await reading.fetch(svc, settings, None, steps, large=False)
    with suppress(PollFailed):  # what was answered once is shown
        for _ in range(tries - 1):
            await asyncio.sleep(PAUSE_S)
            last = await reading.fetch(svc, settings, None, Steps(), large=first.is_large)
    assert first.read is not None, "nothing was asked for on a condition"
    assert last.read is not None, "as above"
    found = await _kept(svc, project, settings, first, last)
    return await _judged(svc, project, settings, found, first.read, last.read)


async def _kept(svc: Services, project: int, settings: PollingSettings, first: Fetched, last: Fetched) -> Tried:
    assert first.read is not None, "nothing was asked for on a condition"
    assert last.read is not None, "as above"
    sources = first.read.source, last.read.source
    computed = svc.cpu_for(sum(map(len, sources)))
    packed = await computed(tried.packed, *sources)
    url, headers = polling_settings.masked_url(settings.url), last.answer.headers
    found = Tried(
        *packed,
        read_as=last.read.read_as,
        status=last.answer.status,
        content_type=headers.get("content-type", ""),
        received_bytes=last.received_bytes,
        pages=last.pages,
        note=last.note,
        suggested=await computed(trial.suggested, url, headers, sources[1], paged=settings.paging is not None),
        conditional=_conditional(settings, first),
    )
    svc.state(TriedSources).put(project, settings, found, svc.clock.now_ms())
    return found


async def _made_of(svc: Services, project: int, settings: PollingSettings, found: Tried) -> Preview:
    """Another document out of what was answered lately."""
    sources = await svc.cpu_for(found.size * 8)(tried.unpacked, found)
    how = outcome.how_of(settings, svc.config.polling.document_bytes)
    outcome.check_status(settings, found.status, {}, svc.clock.now_ms())
    more = found.read_as, found.content_type, how
    cpu = svc.cpu_for(max(map(len, sources)))
    first, last = [await reading.computed(cpu, outcome.read_again, each, *more) for each in sources]
    return await _judged(svc, project, settings, found, first, last)


async def _judged(
    svc: Services, project: int, settings: PollingSettings, found: Tried, first: Read, last: Read
) -> Preview:
    results, sources = (first.result, last.result), (first.source, last.source)
    size = sum(map(len, results)) + sum(map(len, sources))
    judged = await svc.cpu_for(size)(trial.judged, results, None if settings.transform is None else sources)
    return Preview(found, last, judged, await svc.db.read(_tracked_by, project, settings.url))


def _conditional(settings: PollingSettings, fetched: Fetched) -> Conditional:
    if not outcome.may_be_conditional(settings):
        return "none"
    source = outcome.validators(fetched.answer.headers, hash=None, large=False)
    return "etag" if source.etag else "last_modified" if source.last_modified else "none"


def _tracked_by(tx: Tx, project: int, url: str) -> str | None:
    """The endpoint that asks the same address."""
    for uid in polling.asking(tx, project, polling_settings.masked_url(url)):
        with suppress(NotFound):
            return endpoints.find(tx, project, ids.text(uid)).name
    return None
