"""Links to boards: made, approved anew and revoked by who may expose what they show.

A link runs the questions that were approved with it and no others. A tile that is added afterwards, or whose question
is changed, is not shown by it until somebody who may expose it says so: who may only change boards exposes nothing.
"""

import os
from hashlib import blake2b

import msgspec

from delta_server.core import ids, passwords, secret_addresses, times
from delta_server.core.caller import Caller
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.query import boards, saved
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.boards import schemas, service, store
from delta_server.features.boards.schemas import BoardShareAnswer, NewBoardShare
from delta_server.features.boards.store import Board, NewShare, Share
from delta_server.features.saved_queries import service as saved_queries
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_SHARES = 20
"""Of a board."""
LONGEST_MS = 3660 * times.DAY_MS


async def share(
    svc: Services, caller: Caller, project: int, text: str, new: NewBoardShare, idempotency_key: IdempotencyKey
) -> StoredResponse:
    """Raises NotFound, Invalid, Forbidden for who may not read what it shows, Conflict for too many."""
    frames = boards.checked_frames(new.frame_ancestors)
    length_ms = None if new.expires_in is None else times.parse_length(new.expires_in, field="expires_in")
    if length_ms is not None and length_ms > LONGEST_MS:
        raise Invalid("expires_in must be ten years at most", field="expires_in")
    hash = await _hashed(svc, new.password)
    token = secret_addresses.token("board", os.urandom(secret_addresses.RANDOM_BYTES))
    public_url = svc.config.server.public_url.rstrip("/")

    def write(tx: Tx) -> StoredResponse:
        if answer := idempotency_key.replay(tx):
            return answer
        accounts.check_project(tx, project)
        board = service.find(tx, project, text)
        if len(store.shares(tx, project, board.id)) >= MOST_SHARES:
            raise Conflict(f"the board has {MOST_SHARES} links, as many as it may: revoke some")
        expires_at = None if length_ms is None else tx.now_ms + length_ms
        questions = _questions(tx, caller, board)
        if new.digest is not None:
            _check_seen(questions, new.digest)
        approved = msgspec.json.encode(questions).decode()
        row = NewShare(secret_addresses.digest(token), approved, hash, expires_at, msgspec.json.encode(frames).decode())
        made = store.insert_share(tx, project, board.id, row)
        _record(tx, board, made, "board.share")
        frame = f"?frame={frame_proof(made)}" if frames else ""
        url = f"{public_url}/shared/{ids.text(made.uid)}{frame}#{token}"
        full = BoardShareAnswer(_shown(tx, board, made), token, url)
        answer = idempotency_key.record(
            tx, 201, msgspec.json.encode(msgspec.structs.replace(full, token=None, url=None))
        )
        return msgspec.structs.replace(answer, body=msgspec.json.encode(full))

    return await svc.db.write(write)


async def list_shares(svc: Services, project: int, text: str) -> list[schemas.BoardShare]:
    """The newest first. Raises NotFound."""

    def read(tx: Tx) -> list[schemas.BoardShare]:
        board = service.find(tx, project, text)
        return [_shown(tx, board, row) for row in store.shares(tx, project, board.id)]

    return await svc.db.read(read)


async def approve(
    svc: Services, caller: Caller, project: int, text: str, share_id: str, seen: str
) -> schemas.BoardShare:
    """The link shows the board as it is now, which `seen` is the digest of. Raises NotFound, Forbidden as `share`,
    Conflict where it was changed since it was looked at."""

    def write(tx: Tx) -> schemas.BoardShare:
        accounts.check_project(tx, project)
        board, row = _found(tx, project, text, share_id)
        questions = _questions(tx, caller, board)
        _check_seen(questions, seen)
        store.approve(tx, project, row.id, msgspec.json.encode(questions).decode())
        _record(tx, board, row, "board.approve")
        return _shown(tx, *_found(tx, project, text, share_id))

    return await svc.db.write(write)


async def revoke(svc: Services, project: int, text: str, share_id: str) -> None:
    """At once. Raises NotFound."""
    await svc.db.write(_revoke, project, text, share_id)


def approved_of(row: Share) -> dict[str, str]:
    """Digests of questions, by tile."""
    return msgspec.json.decode(row.approved, type=dict[str, str])


def frames_of(row: Share) -> list[str]:
    return msgspec.json.decode(row.frames, type=list[str])


def frame_proof(row: Share) -> str:
    """Stands in the address of a link that may be embedded: without it, its page says no more of the link than that of
    one that is not there."""
    return blake2b(b"frame", key=row.token_hash, digest_size=16).hexdigest()


async def _hashed(svc: Services, password: str | None) -> str | None:
    if password is None:
        return None
    passwords.check(password, "")
    return await svc.state(users.Hashing).hashed(svc, password)


def _check_seen(questions: dict[str, str], seen: str) -> None:
    """Raises Conflict."""
    if boards.digest_of_all(questions) != seen:
        raise Conflict("the board was changed since you looked at it: look at it again first")


def _questions(tx: Tx, caller: Caller, board: Board) -> dict[str, str]:
    """What the board asks now, by tile. Raises Forbidden where the caller may not ask it."""
    questions = service.questions_of(tx, board)
    for query in questions.values():
        caller.require(saved.SCOPES[saved_queries.kind_of(query)])
    return service.digests_of(questions)


@frees_space
def _revoke(tx: Tx, project: int, text: str, share_id: str) -> None:
    board, row = _found(tx, project, text, share_id)
    store.delete_share(tx, project, row.id)
    _record(tx, board, row, "board.revoke")


def _found(tx: Tx, project: int, text: str, share_id: str) -> tuple[Board, Share]:
    board = service.find(tx, project, text)
    row = store.share_of(tx, project, board.id, ids.parse(share_id, "link"))
    if row is None:
        raise NotFound("the board has no such link")
    return board, row


def _record(tx: Tx, board: Board, row: Share, action: audit.Action) -> None:
    target = f"board {ids.text(board.uid)}"
    audit.record_in(tx, board.project, action, target=target, name=board.name, detail={"share": ids.text(row.uid)})


def _shown(tx: Tx, board: Board, row: Share) -> schemas.BoardShare:
    approved, now = approved_of(row), service.digests_of(service.questions_of(tx, board))
    outdated = sum(approved.get(tile) != digest for tile, digest in now.items())
    return schemas.BoardShare(
        id=ids.text(row.uid),
        has_password=row.password is not None,
        expires_at=None if row.expires_at is None else times.format(row.expires_at),
        frame_ancestors=frames_of(row),
        outdated_tiles=outdated,
        created_at=times.format(row.created_at),
    )
