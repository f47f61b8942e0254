"""Persons are erased: profile, events, and their share of all counts."""

from hashlib import sha256

import msgspec

from delta_server.core import ids
from delta_server.core.caller import Caller
from delta_server.core.errors import NotFound
from delta_server.core.events.persons import PersonIds
from delta_server.features.audit import service as audit
from delta_server.features.erasures import store
from delta_server.features.erasures.store import Erasure
from delta_server.features.profiles import service as profiles
from delta_server.services import Services
from delta_server.storage import jobs
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.jobs import Job

JOB = "erasure"
"""The kind of its jobs. Their ids are the erasures' uids, their keys the digests, their arguments the person's ids."""


async def erase_person(svc: Services, project: int, caller: Caller, name: str) -> Erasure:
    """Delete the profile now, and begin to erase the events. A second call before it has begun is the same erasure."""
    await profiles.apply_updates(svc, project)  # what is applied later would make the profile anew
    as_user = await profiles.is_user(svc, project, name)
    async with svc.person_locks.hold([project]):
        requested = await svc.db.write(request_erasure, project, caller, name, as_user=as_user)
    svc.topics.wake("jobs")
    return requested


def get_erasure(svc: Services, project: int, text: str) -> Erasure:
    """Raises NotFound."""
    found = svc.db.peek(find, project, ids.parse(text, "erasure"))
    if found is None:
        raise NotFound("there is no such erasure: GET /v1/erasures lists them")
    return found


async def list_erasures(svc: Services, project: int, *, before: int, limit: int) -> list[Erasure]:
    return await svc.db.read(_page, project, before=before, limit=limit)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when there are none."""
    return store.delete_some(tx, project, limit)


def find(tx: Tx, project: int, uid: bytes) -> Erasure | None:
    record = store.find(tx, project, uid)
    return record and _as_it_is(tx, project, record)


def ids_of(job: Job) -> PersonIds:
    """Whose events it is about. Those requested by an earlier version listed all ids alike."""
    names = msgspec.json.decode(job.arguments, type=PersonIds | list[str])
    return names if isinstance(names, PersonIds) else PersonIds(tuple(names), tuple(names))


@frees_space
def request_erasure(tx: Tx, project: int, caller: Caller, name: str, *, as_user: bool = False) -> Erasure:
    """In one transaction: the profile goes, and the job is there that erases the events of all its ids."""
    person = profiles.person(tx, project, name, as_user=as_user)
    profiles.delete_profiles(tx, project, person.ids)
    digest = sha256(f"{project}\n{person.name}".encode()).digest()
    uid, is_new = jobs.enqueue(tx, project, JOB, _arguments(person.ids), key=digest)
    if is_new:
        store.insert(tx, project, uid, digest=digest, by=caller.key_id)
    elif job := jobs.find(tx, project, uid):
        # Ids the person got since go with it: nothing else knows any more whose they are.
        before = ids_of(job)
        users, anonymous = {*before.users, *person.ids.users}, {*before.anonymous, *person.ids.anonymous}
        jobs.set_arguments(tx, project, uid, _arguments(PersonIds(tuple(sorted(users)), tuple(sorted(anonymous)))))
    audit.record_in(tx, project, "erasure.request", target=f"erasure {ids.text(uid)}")
    requested = find(tx, project, uid)
    assert requested is not None
    return requested


def _page(tx: Tx, project: int, *, before: int, limit: int) -> list[Erasure]:
    return [_as_it_is(tx, project, record) for record in store.page(tx, project, before=before, limit=limit)]


def _as_it_is(tx: Tx, project: int, record: Erasure) -> Erasure:
    """The record, by its job until it is done."""
    job = None if record.state == "done" else jobs.find(tx, project, record.uid)
    if job is None:
        return record
    return msgspec.structs.replace(
        record, state=job.state, segments_done=job.done, segments_total=job.total, error=job.error
    )


def _arguments(ids: PersonIds) -> str:
    return msgspec.json.encode(ids).decode()
