"""Users as profiles and events tell of them, and their erasure."""

from hashlib import sha256

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import NotFound
from delta_server.core.events.persons import Ids
from delta_server.core.query.plan import Aggregate, Field, Metric, Of, Span
from delta_server.features.profiles import service as profiles
from delta_server.features.profiles.service import Person, Profile
from delta_server.features.users import store
from delta_server.features.users.schemas import EventCounts, UserWithEvents
from delta_server.features.users.store import Erasure
from delta_server.http.auth import Caller
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

ALL_TIME = Span(times.EARLIEST_MS, times.LATEST_MS + 1)
USER_ID = Field("userId", "user_id", "text")
AT, EVENT_TYPE = Field("timestamp", "time_ms", "time"), Field("eventType", "event_type", "text")


async def get(svc: Services, project: int, name: str) -> UserWithEvents:
    """The user by any of their ids, with what all kept events tell of them. Raises NotFound."""
    person = await svc.db.read(profiles.person, project, name, as_user=await _is_user(svc, project, name))
    found = await svc.eventlog.query(project, _events_of(person))
    if not found.rows and person.profile is None:
        raise NotFound("there is no such user: GET /v1/users?q=... searches those there are")
    first = [row[2] for row in found.rows] + ([person.profile.first_seen_at] if person.profile else [])
    last = [row[3] for row in found.rows] + ([person.profile.last_seen_at] if person.profile else [])
    by_type = {row[0]: row[1] for row in found.rows}
    return UserWithEvents(
        id=person.name,
        traits=msgspec.json.decode(person.profile.traits) if person.profile else {},
        first_seen=times.format(int(min(first))),
        last_seen=times.format(int(max(last))),
        aliases=person.aliases,
        aliases_ignored=person.profile.ids_ignored if person.profile else 0,
        events=EventCounts(sum(by_type.values()), by_type),
    )


async def _is_user(svc: Services, project: int, name: str) -> bool:
    """Whether an id that leads to another user, as an anonymous one, is a user's in some event all the same. Profiles
    get to know those a minute later."""
    person = await svc.db.read(profiles.person, project, name)
    if name in person.ids.users:
        return True
    where = Of((name,), ())
    found = await svc.eventlog.query(project, Aggregate(ALL_TIME, (Metric("count", "count"),), where=where))
    return bool(found.rows[0][0])


def group(svc: Services, project: int, name: str) -> Profile:
    """Raises NotFound."""
    found = svc.db.peek(profiles.find, project, "group", name)
    if found is None:
        raise NotFound("there is no such group: GET /v1/groups lists them")
    return found


async def page(
    svc: Services, project: int, kind: profiles.Kind, *, q: str, before: tuple[int, int] | None, limit: int
) -> list[Profile]:
    """Last seen first, those whose id or traits hold every word of `q`."""
    words = q.lower().split()
    return await svc.db.read(profiles.page, project, kind, words=words, before=before, limit=limit)


async def erase(svc: Services, project: int, caller: Caller, name: str) -> Erasure:
    """Delete the profile now, and begin to erase the events. A second call before it has begun is the same job."""
    await profiles.settle(svc, project)  # what is applied later would make the profile anew
    as_user = await _is_user(svc, project, name)
    async with svc.person_locks.hold([project]):
        job = await svc.db.write(request_erasure, project, caller, name, as_user=as_user)
    svc.topics.wake("erasures")
    return job


def erasure(svc: Services, project: int, text: str) -> Erasure:
    """Raises NotFound."""
    found = svc.db.peek(store.find, project, ids.parse(text, "erasure"))
    if found is None:
        raise NotFound("there is no such erasure: GET /v1/erasures lists them")
    return found


async def erasures(svc: Services, project: int, *, before: int, limit: int) -> list[Erasure]:
    return await svc.db.read(store.page, project, before=before, limit=limit)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when there are none."""
    return store.delete_some(tx, project, limit)


def ids_of(job: Erasure) -> Ids:
    """Whose events it is about. Those asked for by an earlier version listed all ids alike."""
    names = msgspec.json.decode(job.names, type=Ids | list[str])
    return names if isinstance(names, Ids) else Ids(tuple(names), tuple(names))


def _names(ids: Ids) -> str:
    return msgspec.json.encode(ids).decode()


def _events_of(person: Person) -> Aggregate:
    where = Of(person.ids.users, person.ids.anonymous)
    metrics = (Metric("count", "count"), Metric("first", "min", AT), Metric("last", "max", AT))
    return Aggregate(ALL_TIME, metrics, keys=(EVENT_TYPE,), where=where)


@frees_space
def request_erasure(tx: Tx, project: int, caller: Caller, name: str, *, as_user: bool = False) -> Erasure:
    """In one transaction: the profile goes, and the job is there that erases the events of all its ids."""
    person = profiles.person(tx, project, name, as_user=as_user)
    profiles.forget(tx, project, person.ids)
    digest = sha256(f"{project}\n{person.name}".encode()).digest()
    job = store.waiting_for(tx, project, digest)
    if job is not None:  # ids the person got since go with it: nothing else knows any more whose they are
        before = ids_of(job)
        users, anonymous = {*before.users, *person.ids.users}, {*before.anonymous, *person.ids.anonymous}
        store.set_names(tx, project, job.id, names=_names(Ids(tuple(sorted(users)), tuple(sorted(anonymous)))))
        return job
    uid = store.insert(tx, project, digest=digest, names=_names(person.ids), by=caller.key_id)
    job = store.find(tx, project, uid)
    assert job is not None
    return job
