"""How keys are made and rotated. Nobody makes one that may do more, or is valid for longer, than their own."""

from collections.abc import Collection, Iterable

import msgspec

from delta_server.core import ids, names, origins, secret_addresses, secrets, times
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from delta_server.core.scopes import ALL, INGEST, VISITS, in_order, opened
from delta_server.core.secrets import Kind
from delta_server.features.accounts import schemas, store
from delta_server.features.accounts.schemas import KeyAnswer, NewKey, Rotation, RotationAnswer
from delta_server.features.accounts.store import ListedKey, Maker
from delta_server.features.audit import service as audit
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

SCOPES = tuple(scope for scope in ALL if scope not in (INGEST, VISITS))
"""What keys may have that are secrets."""
EXPIRES_SOON_MS = 3_600_000
"""A key that expires within the hour is not one to be left with."""
_WRITE_KEY_SCOPES = (INGEST,)
_OF_WRITE_KEYS = (_WRITE_KEY_SCOPES, (VISITS,))
"""All that such a key can have."""
_COMMAND = Maker()


def add_key(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    randomness: bytes,
    scopes: Collection[str],
    name: str = "",
    expires_at: int | None = None,
    maker: Maker = _COMMAND,
) -> str:
    """Make a key of the project, of the account when `project` is None; its text, which is stored nowhere.

    Takes `secrets.RANDOM_BYTES` random bytes. Raises Invalid, and NotFound for a deleted project.
    """
    wanted = in_order(scopes)
    if not wanted or not set(scopes) <= set(SCOPES):
        more = "; ingest and visits:write are scopes of keys of kind write" if {INGEST, VISITS} & set(wanted) else ""
        raise Invalid(f"scopes must be one or more of {', '.join(SCOPES)}{more}", field="scopes")
    text = secrets.make(Kind.ACCOUNT if project is None else Kind.PROJECT, randomness)
    _insert(tx, account, project, text=text, scopes=wanted, name=name, expires_at=expires_at, sites=(), maker=maker)
    return text


def is_of_write_key(scopes: str) -> bool:
    """Whether scopes, separated by spaces, are those of a key that may stand in a web page."""
    return tuple(scopes.split()) in _OF_WRITE_KEYS


def admit_key(tx: Tx, account: int, text: str, *, name: str) -> bool:
    """Make the account's key of this text valid, for everything; whether it was not there. One that was revoked stays
    so. Raises Unauthorized for what is no key, Invalid for one of another kind or whose id is another's."""
    key = secrets.parse(text)
    if key.kind is not Kind.ACCOUNT:
        raise Invalid("the key must be an account's, which begins with dk_user_")
    if (known := store.key(tx, key.public_id)) is not None:
        if known.secret_hash != key.secret_hash:
            raise Invalid("there is another key with this id")
        return False
    _insert(tx, account, None, text=text, scopes=("admin",), name=name, expires_at=None, sites=(), maker=_COMMAND)
    return True


def add_write_key(
    tx: Tx,
    account: int,
    project: int,
    *,
    randomness: bytes,
    sites: Iterable[str] = (origins.ANY,),
    scopes: Collection[str] = _WRITE_KEY_SCOPES,
    name: str = "",
    expires_at: int | None = None,
    maker: Maker = _COMMAND,
) -> str:
    """Make a key that may only send events to the project, or only visits, from browsers on these sites; its text, as
    `add_key`. Raises Invalid."""
    if tuple(scopes) not in _OF_WRITE_KEYS:
        raise Invalid(
            "a write key has one scope, ingest or visits:write: name one, or leave scopes out", field="scopes"
        )
    text = secrets.make(Kind.WRITE, randomness)
    _insert(
        tx,
        account,
        project,
        text=text,
        scopes=scopes,
        name=name,
        expires_at=expires_at,
        sites=origins.check(sites),
        maker=maker,
    )
    return text


def _insert(
    tx: Tx,
    account: int,
    project: int | None,
    *,
    text: str,
    scopes: Iterable[str],
    name: str,
    expires_at: int | None,
    sites: Iterable[str],
    maker: Maker,
) -> None:
    if expires_at is not None and not tx.now_ms < expires_at <= times.LATEST_MS:
        raise Invalid("expires_at must be in the future, before the year 10000", field="expires_at")
    if project is not None:
        check_project(tx, project)
    key = secrets.parse(text)
    store.insert_key(
        tx,
        account,
        project,
        public_id=key.public_id,
        secret_hash=key.secret_hash,
        name=names.check(name) if name else "",
        scopes=" ".join(scopes),
        expires_at=expires_at,
        origins=msgspec.json.encode(tuple(sites)).decode(),
        last_four=text[-4:],
        maker=maker,
    )
    detail = {"scopes": list(scopes), "expires_at": None if expires_at is None else times.format(expires_at)}
    audit.record(tx, account, "key.create", project=project, target=f"key {key.public_id}", name=name, detail=detail)


def check_project(tx: Tx, project: int) -> None:
    """For writes in a project: the key was good when the request came, but the project may have been deleted while the
    write waited its turn. Raises NotFound."""
    if not store.project_is_there(tx, project):
        raise NotFound("the project has been deleted")


# Over HTTP


def create(tx: Tx, caller: Caller, new: NewKey, randomness: bytes, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Raises Invalid, Forbidden for more than the caller has, NotFound for the project, Unauthorized."""
    if answer := idempotency_key.replay(tx):
        return answer
    project = _project_for(tx, caller, new)
    expires_at = _within_own(tx, caller, _wanted_end(tx, new.expires_at, new.expires_in), None)
    _refuse_more_than_its_own(caller, _scopes_of(new))
    text = _add_of_kind(tx, caller, project, new, randomness, expires_at)
    made = KeyAnswer(schemas.api_key(_listed(tx, caller.account, secrets.parse(text).public_id), tx.now_ms), key=None)
    return _answer(tx, made, text, idempotency_key)


def rotate(
    tx: Tx, caller: Caller, public_id: str, rotation: Rotation, randomness: bytes, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises NotFound, Conflict for a key that is not active or has a successor, and as `create`."""
    if answer := idempotency_key.replay(tx):
        return answer
    old, project = find(tx, caller.account, public_id)
    if caller.project not in (None, project):
        raise _not_found()
    _refuse_more_than_its_own(caller, old.scopes.split())
    lasts_ms = None if old.expires_at is None else old.expires_at - old.created_at
    wanted = _wanted_end(tx, rotation.expires_at, rotation.expires_in)
    expires_at = _within_own(tx, caller, wanted, None if lasts_ms is None else tx.now_ms + lasts_ms)
    overlap_ms = secret_addresses.overlap_ms(rotation.overlap)
    if _ends_soon(tx, expires_at) and not _ends_soon(tx, old.expires_at) and is_last_admin(tx, caller, public_id):
        raise Conflict(
            "this is the last key with the scope admin, and the one that takes its place would expire within the hour:"
            " let it be valid for longer, or make another one first"
        )
    text, until = replace(
        tx,
        caller.account,
        project,
        old,
        randomness=randomness,
        overlap_ms=overlap_ms,
        expires_at=expires_at,
        maker=_maker(caller),
    )
    made = schemas.api_key(_listed(tx, caller.account, secrets.parse(text).public_id), tx.now_ms)
    rotated = RotationAnswer(made, key=None, replaced_id=old.public_id, replaced_expires_at=times.format(until))
    return _answer(tx, rotated, text, idempotency_key)


def _ends_soon(tx: Tx, expires_at: int | None) -> bool:
    return expires_at is not None and tx.now_ms < expires_at < tx.now_ms + EXPIRES_SOON_MS


def is_last_admin(tx: Tx, caller: Caller, public_id: str) -> bool:
    """Whether nobody could make another key over HTTP without this one, where the caller's belongs. An account's key
    may take a project's last one, for which it can make another."""
    own = None if caller.chosen else caller.project
    return store.is_last_admin(tx, caller.account, own, public_id, until_ms=tx.now_ms + EXPIRES_SOON_MS)


def replace(
    tx: Tx,
    account: int,
    project: int | None,
    old: ListedKey,
    *,
    randomness: bytes,
    overlap_ms: int,
    expires_at: int | None,
    maker: Maker = _COMMAND,
) -> tuple[str, int]:
    """Make a key like `old`, which is valid for `overlap_ms` longer: in one transaction, so that there are both or the
    old one alone. The new one's text, and when the old one ends. Raises Conflict for a key that is not active, or was
    replaced: its copy must not become one that is valid for longer."""
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= tx.now_ms):
        raise Conflict("only an active key is rotated, and this one is revoked or has expired: make a new one")
    if old.replaced_by is not None:
        raise Conflict(f"the key was rotated before: rotate {old.replaced_by}, which took its place")
    is_write_key = is_of_write_key(old.scopes)
    kind = Kind.WRITE if is_write_key else Kind.ACCOUNT if project is None else Kind.PROJECT
    text = secrets.make(kind, randomness)
    _insert(
        tx,
        account,
        project,
        text=text,
        scopes=old.scopes.split(),
        name=old.name,
        expires_at=expires_at,
        sites=msgspec.json.decode(old.origins, type=list[str]),
        maker=maker,
    )
    until = min(tx.now_ms + overlap_ms, times.LATEST_MS if old.expires_at is None else old.expires_at)
    made = secrets.parse(text).public_id
    store.replace(tx, account, old.id, by=made, expires_at=until)
    detail = {"replaced_by": f"key {made}", "expires_at": times.format(until)}
    target = f"key {old.public_id}"
    audit.record(tx, account, "key.rotate", project=project, target=target, name=old.name, detail=detail)
    return text, until


def _answer(tx: Tx, made: KeyAnswer | RotationAnswer, text: str, idempotency_key: IdempotencyKey) -> StoredResponse:
    """What is kept for a repeated request lacks the key itself, which is stored nowhere."""
    answer = idempotency_key.record(tx, 201, msgspec.json.encode(made))
    return msgspec.structs.replace(answer, body=msgspec.json.encode(msgspec.structs.replace(made, key=text)))


def _listed(tx: Tx, account: int, public_id: str) -> ListedKey:
    made = store.listed(tx, account, public_id)
    assert made is not None
    return made


def _maker(caller: Caller) -> Maker:
    return Maker(key=caller.key_id) if caller.user is None else Maker(user=caller.user)


def _scopes_of(new: NewKey) -> tuple[str, ...]:
    if new.scopes is not None:
        return new.scopes
    return _WRITE_KEY_SCOPES if new.kind == "write" else ("write",)


def _refuse_more_than_its_own(caller: Caller, scopes: Iterable[str]) -> None:
    """Raises Forbidden."""
    if missing := [scope for scope in scopes if not opened(scope) <= caller.scopes]:
        raise Forbidden(
            f"a key makes none that may do more than itself, and this one lacks {', '.join(in_order(missing))}:"
            " leave those out of scopes, or use a key that has them"
        )


def _wanted_end(tx: Tx, expires_at: str | None, expires_in: str | None) -> int | None:
    """Raises Invalid."""
    if expires_in is None:
        return None if expires_at is None else times.parse(expires_at, field="expires_at")
    if expires_at is not None:
        raise Invalid("expires_at and expires_in exclude each other: give one of them", field="expires_in")
    end = tx.now_ms + times.parse_length(expires_in, field="expires_in")
    if end > times.LATEST_MS:
        raise Invalid("expires_in must end before the year 10000", field="expires_in")
    return end


def _within_own(tx: Tx, caller: Caller, wanted: int | None, otherwise: int | None) -> int | None:
    """When a key ends that is to end at `wanted`, or where that is not said at `otherwise` and with the caller's own
    key. Raises Forbidden for later than that, Unauthorized when the own one ended while this waited its turn."""
    own = None if caller.user is not None else store.key(tx, caller.key_id)
    if caller.user is None and (own is None or own.revoked_at is not None):
        raise Unauthorized("the API key has been revoked: use another one")
    end = None if own is None else own.expires_at
    if end is None:
        return otherwise if wanted is None else wanted
    if end <= tx.now_ms:
        raise Unauthorized("the API key has expired: use another one")
    if wanted is not None and wanted > end:
        raise Forbidden(
            f"a key makes none that is valid for longer than itself, and this one expires at {times.format(end)}: ask"
            " for less, or use one that does not expire"
        )
    return min(end, otherwise or end) if wanted is None else wanted


def _add_of_kind(
    tx: Tx, caller: Caller, project: int | None, new: NewKey, randomness: bytes, expires_at: int | None
) -> str:
    """The text of a key of the wanted kind. Raises Invalid for what does not go with the kind."""
    if new.kind is not None and project is None:
        raise Invalid(f"a {new.kind} key belongs to a project: name it", field="project_id")
    if new.kind != "write" or project is None:
        if new.origins is not None:
            raise Invalid(
                "origins are for keys of kind write; other keys must not be used in web pages", field="origins"
            )
        return add_key(
            tx,
            caller.account,
            project,
            randomness=randomness,
            scopes=_scopes_of(new),
            name=new.name,
            expires_at=expires_at,
            maker=_maker(caller),
        )
    sites = (origins.ANY,) if new.origins is None else new.origins
    return add_write_key(
        tx,
        caller.account,
        project,
        randomness=randomness,
        sites=sites,
        scopes=_scopes_of(new),
        name=new.name,
        expires_at=expires_at,
        maker=_maker(caller),
    )


def _project_for(tx: Tx, caller: Caller, new: NewKey) -> int | None:
    """The project a new key is for; None for an account's key. Raises Invalid, NotFound."""
    if new.project is not None and new.project_id is not None:
        raise Invalid("project and project_id are the same: give one of them", field="project")
    wanted = new.project if new.project_id is None else new.project_id
    if wanted is None:
        return caller.project
    uid = ids.try_parse(wanted)
    project = store.project_with(tx, caller.account, uid=uid, name=names.normal(wanted) if uid is None else None)
    if project is None or caller.project not in (None, project):
        raise NotFound("there is no such project: GET /v1/projects lists those this key sees")
    return project


def find(tx: Tx, account: int, public_id: str) -> tuple[ListedKey, int | None]:
    """The key and its project, None for the account's own. Raises NotFound, also for a key of a deleted project."""
    found = store.listed(tx, account, public_id)
    if found is None:
        raise _not_found()
    project = None if found.project is None else store.project_with(tx, account, uid=found.project)
    if project is None and found.project is not None:
        raise _not_found()
    return found, project


def _not_found() -> NotFound:
    return NotFound("there is no such key: GET /v1/auth/api-keys and `delta-server key list` list them")
