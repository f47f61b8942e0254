"""An answer as the document that it stands for, whole where it comes in pages. Small ones beside many others, large
ones beside few."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import msgspec

from delta_server.core import paging
from delta_server.core.errors import TooCostly
from delta_server.core.formats import formats
from delta_server.core.polling import outcome
from delta_server.core.polling.outcome import NOT_MODIFIED, How, PollFailed, Read, ReadPage, Source
from delta_server.core.polling.settings import PollingSettings
from delta_server.egress.client import Answer
from delta_server.egress.steps import Steps
from delta_server.features.polls.fetching import SMALL_BYTES, Fetcher
from delta_server.services import Services
from delta_server.storage.database import Threads

P = ParamSpec("P")
T = TypeVar("T")

LARGE_AT_ONCE = 2
_SURELY_SMALL_BYTES = SMALL_BYTES * 9 // 10
"""With its head, an answer of so many bytes is taken beside many others."""
READ_S = 20.0
PAGES_S = 300.0
ON_THE_LOOP_BYTES = 32 << 10
"""What is read on the event loop, in 0.1 ms, where it is JSON and nothing is computed of it."""


class Fetched(msgspec.Struct, frozen=True):
    """`read` is None where nothing is new. Of pages the answer is the last one, and `received_bytes` that of all;
    `body_hash` is there of an answer that came whole, `note` says what is doubtful of pages."""

    answer: Answer
    read: Read | None
    received_bytes: int
    pages: int = 1
    body_hash: str | None = None
    note: str | None = None

    @property
    def is_large(self) -> bool:
        """More than is taken beside many others: it is asked for beside few at once the next time."""
        return max(self.received_bytes, 0 if self.read is None else len(self.read.source)) > _SURELY_SMALL_BYTES


class _LargeAnswers:
    """Only so many are in memory at a time."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(LARGE_AT_ONCE)


async def fetch(
    svc: Services, settings: PollingSettings, known: Source | None, steps: Steps, *, large: bool
) -> Fetched:
    """What the source answers; of one that is `known`, only what is new. What turns out to be `large` is asked for
    again. Raises PollFailed."""
    limit = svc.config.polling.document_bytes
    if not large:
        try:
            return await _fetch(svc, settings, known, steps, most_bytes=min(SMALL_BYTES, limit))
        except PollFailed as error:
            if error.error_class != "too_large" or limit <= SMALL_BYTES:
                raise
    async with svc.state(_LargeAnswers).places:
        return await _fetch(svc, settings, known, steps, most_bytes=limit)


async def _fetch(
    svc: Services, settings: PollingSettings, known: Source | None, steps: Steps, *, most_bytes: int
) -> Fetched:
    how = outcome.how_of(settings, most_bytes)
    if settings.paging is not None:
        return await _all_pages(svc, settings, how, steps)
    conditions = outcome.conditions(known) if known is not None and outcome.may_be_conditional(settings) else {}
    answer = await Fetcher.of(svc).fetch(settings, conditions, steps, most_bytes=most_bytes)
    if answer.status == NOT_MODIFIED and conditions:
        return Fetched(answer, None, answer.received_bytes)
    with _noting(settings, answer, steps):
        outcome.check_status(settings, answer.status, answer.headers, svc.clock.now_ms())
        content_type = answer.headers.get("content-type", "")
        body_hash = None
        if len(answer.body) <= SMALL_BYTES:
            body_hash = outcome.hash_of(answer.body, content_type, answer.url)
        if body_hash is not None and known is not None and known.body == body_hash:
            return Fetched(answer, None, answer.received_bytes, body_hash=body_hash)
        if (
            len(answer.body) <= ON_THE_LOOP_BYTES
            and not how.computes
            and formats.is_json(answer.body, content_type, how.read_as)
        ):
            as_json = msgspec.structs.replace(how, read_as="json")  # it is not looked at once more
            read = outcome.read(answer.body, content_type, answer.url, as_json)
        else:
            cpu = _cpu(svc, answer.body, how)
            read = await computed(cpu, outcome.read, answer.body, content_type, answer.url, how)
    return Fetched(answer, read, answer.received_bytes, body_hash=body_hash)


@contextmanager
def _noting(settings: PollingSettings, answer: Answer, steps: Steps) -> Iterator[None]:
    """Reads an answer; what is wrong with it is raised with what it was."""
    try:
        yield
    except PollFailed as error:
        error.status, error.received_bytes = answer.status, answer.received_bytes
        error.excerpt = outcome.excerpt(settings, answer.body)
        raise
    finally:
        steps.mark("parse")


async def _all_pages(svc: Services, settings: PollingSettings, how: How, steps: Steps) -> Fetched:
    try:
        async with asyncio.timeout(PAGES_S):
            return await _gathered(svc, settings, how, steps)
    except TimeoutError:
        raise PollFailed("timeout", f"the pages were not gathered within {PAGES_S:g} s: ask for larger ones") from None


async def _gathered(svc: Services, settings: PollingSettings, how: How, steps: Steps) -> Fetched:
    """Every page within what is left of the size that all may have."""
    assert how.paging is not None
    asked = [paging.first_url(how.paging, settings.url)]
    pages: list[ReadPage] = []
    received = size = 0
    while True:
        each = msgspec.structs.replace(settings, url=asked[-1])
        answer = await Fetcher.of(svc).fetch(each, {}, steps, most_bytes=how.most_bytes - size)
        received += answer.received_bytes
        with _noting(settings, answer, steps):
            outcome.check_status(settings, answer.status, answer.headers, svc.clock.now_ms())
            read = await _page(svc, how, answer, asked)
        pages.append(read)
        size += read.size
        if size >= how.most_bytes:
            raise PollFailed("too_large", "all pages together are larger than polling.document_bytes")
        if read.page.next_url is None:
            break
        asked.append(read.page.next_url)
    whole = await computed(svc.cpu_for(size), outcome.read_pages, [each.page for each in pages], read.read_as, how)
    steps.mark("parse")
    return Fetched(answer, whole, received, len(pages), note=pages[0].note)


async def _page(svc: Services, how: How, answer: Answer, asked: list[str]) -> ReadPage:
    more = (answer.headers.get("content-type", ""), how, asked[-1], answer.headers.get("link", ""), asked)
    return await computed(_cpu(svc, answer.body, how), outcome.read_page, answer.body, *more)


def _cpu(svc: Services, body: bytes, how: How) -> Threads:
    return svc.processes if formats.may_be_feed(body, how.read_as) else svc.cpu_for(len(body))


async def computed(cpu: Threads, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`fn`'s result. Raises PollFailed when it takes too long, and as `fn` does."""
    try:
        async with asyncio.timeout(READ_S):
            return await cpu(fn, *args, **kwargs)
    except TooCostly as error:  # its process has died of it
        raise PollFailed("decode", error.message) from None
    except TimeoutError:
        raise PollFailed("transform", f"the answer was not read within {READ_S:g} s: make transform simpler") from None
