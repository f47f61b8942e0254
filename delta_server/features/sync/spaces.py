"""Whose records a request is about, how often it may ask, and what is known of a space without reading it again."""

import zlib
from collections.abc import Mapping

import msgspec

from delta_server.core.caller import Caller
from delta_server.core.errors import Invalid, RateLimited
from delta_server.core.rates import Rate
from delta_server.core.sync.changes import require_whole
from delta_server.features.sync import store
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.limiter_memory import MemoryLimiter
from delta_server.tasks.topics import Topic

NEWS: Topic = "sync"
USER_HEADER, SPACE_HEADER = "x-sync-user", "x-sync-space"
_PROJECTS_OWN = "project"
MAX_OWNER = 200
_PLACES = 100_000
_KNOWN = 10_000
_ROUTES = ("types", "conflicts")
_MAX_TYPE = 100


class Whose(msgspec.Struct, frozen=True):
    """`owner` names the space in its project: a person's id, or what a key says in x-sync-user. `session` is there for
    a person."""

    project: int
    owner: str
    session: int | None = None


class State(msgspec.Struct, frozen=True):
    """Of one data type in one space: what answers a pull with nothing new. `newest` is the space's newest number.
    `absent` stands in cursors for the collection as long as there is none: no other's is the same."""

    epoch: bytes
    newest: int
    space: store.Space | None
    collection: store.Collection | None
    absent: int = 0


class Known:
    """States by space and data type, of those asked for last. Used on the event loop only; who writes forgets."""

    def __init__(self) -> None:
        self._states: dict[Whose, dict[str, State]] = {}

    def get(self, svc: Services, whose: Whose, data_type: str) -> State:
        whose = msgspec.structs.replace(whose, session=None)
        by_type = self._states.get(whose)
        if by_type is None:
            if len(self._states) >= _KNOWN:
                del self._states[next(iter(self._states))]
            by_type = self._states[whose] = {}
        found = by_type.get(data_type)
        if found is None:
            found = svc.db.peek(_state, whose, data_type)
            if found.collection is not None:  # any name may be asked for
                by_type[data_type] = found
        return found

    def forget(self, whose: Whose) -> None:
        """After a commit."""
        self._states.pop(msgspec.structs.replace(whose, session=None), None)

    def forget_all(self) -> None:
        self._states.clear()


class _Limits:
    def __init__(self) -> None:
        self.limiter = MemoryLimiter(_PLACES)


def _state(tx: Tx, whose: Whose, data_type: str) -> State:
    space = store.space(tx, whose.project, whose.owner)
    found = None if space is None else store.collection(tx, space.id, data_type)
    newest = store.counts(tx)[2] if space is None else space.seq
    absent = -1 - zlib.crc32(f"{whose.project} {data_type}\0{whose.owner}".encode())
    return State(store.epoch(tx), newest, space, found, absent)


def whose(caller: Caller, project: int, headers: Mapping[str, str]) -> Whose:
    """Who signed in has a space of their own; admins and keys may name another. Raises Invalid, Forbidden."""
    named, space = _in_utf8(headers.get(USER_HEADER)), headers.get(SPACE_HEADER)
    if caller.user is not None:
        if named is None and space is None:
            return Whose(project, caller.key_id.removeprefix("user "), caller.session)
        caller.require("sync:admin")
    if space is not None:
        if space != _PROJECTS_OWN or named is not None:
            raise Invalid(
                f"{SPACE_HEADER} is `{_PROJECTS_OWN}`, for its own, and goes without {USER_HEADER}", field=SPACE_HEADER
            )
        return Whose(project, "")
    if named is not None and not 1 <= len(named) <= MAX_OWNER:
        raise Invalid(f"{USER_HEADER} must have 1 to {MAX_OWNER} characters", field=USER_HEADER)
    return Whose(project, named or "")


def _in_utf8(named: str | None) -> str | None:
    """A header is read as latin-1, and stays that where it is not UTF-8."""
    try:
        return named and named.encode("latin-1").decode()
    except UnicodeError:
        return named


def checked_type(data_type: str) -> str:
    """Raises Invalid."""
    if not 1 <= len(data_type) <= _MAX_TYPE or "\0" in data_type:
        raise Invalid(f"a data type has 1 to {_MAX_TYPE} characters", field="data_type")
    if data_type in (".", "..") or not data_type.strip():
        raise Invalid("a data type is no blank, and no dots that a path leaves out", field="data_type")
    require_whole(data_type, "data_type")
    if data_type in _ROUTES:
        raise Invalid(f"{data_type} is the name of a route: call the data type otherwise", field="data_type")
    return data_type


def tell(svc: Services, whose: Whose) -> None:
    """After a commit that changed records of a space: nothing older is shown, and who follows it looks."""
    svc.state(Known).forget(whose)
    svc.topics.wake(NEWS, (whose.project, whose.owner))


def count_push(svc: Services, whose: Whose) -> None:
    """Raises RateLimited."""
    _count(svc, whose, "pushes", svc.config.sync.pushes_per_minute)


def count_pull(svc: Services, whose: Whose) -> None:
    """Raises RateLimited."""
    _count(svc, whose, "pulls", svc.config.sync.pulls_per_minute)


def _count(svc: Services, whose: Whose, what: str, per_minute: int) -> None:
    if not per_minute:
        return
    verdict = svc.state(_Limits).limiter.take((what, whose.project, whose.owner), Rate(per_minute), svc.clock.now_ms())
    if not verdict.allowed:
        raise RateLimited(
            f"more than {per_minute} {what} a minute (sync.{what}_per_minute): wait before the next",
            retry_after_s=verdict.retry_after_s,
        )
