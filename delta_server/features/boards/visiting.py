"""What a link to a board opens: the tiles that were approved with it, and their answers; nothing else.

Who opens it with the token, and the password where there is one, gets a ticket, which each tile is asked for with.
Tickets are sealed and kept nowhere. They are bound to the link, its token and its password, and each use of one looks
whether the link is still there.
"""

import hmac
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import msgspec
import structlog

from delta_server.core import ids, sealing, secret_addresses, times
from delta_server.core.errors import Conflict, DeltaError, NotFound, RateLimited, Unauthorized, Unavailable
from delta_server.core.query import boards, saved
from delta_server.core.query.boards import Tile
from delta_server.features.boards import schemas, service, sharing, store
from delta_server.features.boards.schemas import Opening, SharedBoard, TileResult
from delta_server.features.boards.store import Board, Share
from delta_server.features.projects import service as projects
from delta_server.features.queries import service as queries
from delta_server.features.saved_queries import service as saved_queries
from delta_server.features.saved_queries.service import SavedQuery
from delta_server.features.sql import service as sql
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.keyed_locks import KeyedLocks

log = structlog.get_logger("delta.boards")

Work: TypeAlias = Callable[[Services], Coroutine[Any, Any, bytes]]

TICKET_MS = 12 * 3_600_000
FRESH_MS = 15_000
"""All who look at a board meanwhile get one answer."""
_FAILED = b"null"
_GONE = "there is no such shared board: its link was revoked, has expired or is not whole"


class Visit(msgspec.Struct, frozen=True):
    share: Share
    board: Board


async def open_board(svc: Services, share_id: str, given: Opening, address: str) -> SharedBoard:
    """Raises NotFound, Unauthorized for the password, RateLimited after many wrong ones."""
    visit = svc.db.peek(_visit, share_id)
    if not hmac.compare_digest(visit.share.token_hash, secret_addresses.digest(given.token)):
        raise NotFound(_GONE)
    await _check_password(svc, visit.share, given.password, address)
    opened = await svc.db.read(_opened, share_id)
    expires_at = min(svc.clock.now_ms() + TICKET_MS, visit.share.expires_at or times.LATEST_MS)
    sealed = svc.vault.seal(str(expires_at).encode(), bound_to=_bound_to(visit.share))
    return msgspec.structs.replace(opened, ticket=sealed.hex(), ticket_expires_at=times.format(expires_at))


class _Running(KeyedLocks):
    """By question: who asks for what is being worked out waits for that."""


async def run_tile(
    svc: Services, visit: Visit, tile_id: str, in_turn: Callable[[Work], Awaitable[bytes]]
) -> TileResult:
    """Of a `visit` that `admitted` let in; what is not known yet is asked `in_turn`. Raises NotFound for a tile that
    the link does not show, Conflict for a question that cannot be answered."""
    query = svc.db.peek(_query_of_tile, visit, tile_id)
    kind = saved_queries.kind_of(query)
    key = _key(svc, visit, query)
    async with svc.state(_Running).hold([hash(key)]):
        if (kept := svc.cache.get(key)) is None:
            kept = await in_turn(partial(_answer, visit=visit, tile_id=tile_id))
            svc.cache.put(key, kept)
    if kept == _FAILED:
        raise Conflict("this tile cannot be answered: those who shared the board see why on it")
    return TileResult(kind, *msgspec.json.decode(kept, type=tuple[list[dict[str, str]] | None, msgspec.Raw]))


def _key(svc: Services, visit: Visit, query: SavedQuery) -> tuple[object, ...]:
    digest = boards.digest(query.kind, query.spec)
    return "shared tile", visit.share.project, digest, svc.clock.now_ms() // FRESH_MS


async def _answer(svc: Services, *, visit: Visit, tile_id: str) -> bytes:
    """Columns and rows as JSON. Why a question fails is for members: it may name what is in the data. Raises NotFound
    for a link that was revoked before its turn came."""
    project = visit.share.project
    query = svc.db.peek(_query_of_tile, svc.db.peek(_visit, ids.text(visit.share.uid)), tile_id)
    question = saved.read(saved_queries.kind_of(query), query.spec.encode())
    try:
        if isinstance(question, sql.Statement):
            found = await sql.run_unrecorded(svc, project, question)
            return msgspec.json.encode(([{"name": one.name, "type": one.type} for one in found.columns], found.rows))
        return msgspec.json.encode((None, msgspec.Raw(await queries.run_question(svc, project, question))))
    except (RateLimited, Unavailable):
        raise
    except DeltaError as error:
        log.info("a shared tile cannot be answered", project=project, tile=tile_id, code=error.code)
        return _FAILED


def admitted(svc: Services, share_id: str, ticket: str) -> Visit:
    """Raises NotFound for a link that is gone, Unauthorized for a ticket that is not this link's, or is over."""
    visit = svc.db.peek(_visit, share_id)
    try:
        until = int(svc.vault.unseal(bytes.fromhex(ticket), bound_to=_bound_to(visit.share)))
    except (ValueError, sealing.Unreadable):
        raise Unauthorized("this is not a ticket of this link: open the board again") from None
    if until <= svc.clock.now_ms():
        raise Unauthorized("the ticket is over: open the board again")
    return visit


def frames(svc: Services, share_id: str, proof: str) -> list[str]:
    """The sites that may embed the page of a link, for who has its whole address; none without, and where there is no
    such link."""
    try:
        share = svc.db.peek(_visit, share_id).share
    except NotFound:
        return []
    return sharing.frames_of(share) if hmac.compare_digest(sharing.frame_proof(share), proof) else []


async def _check_password(svc: Services, share: Share, password: str | None, address: str) -> None:
    if share.password is None:
        return
    counted = (f"shared board {ids.text(share.uid)}", f"shared board from {address}")
    check = partial(users.check_failures, svc, counted)
    check()
    if password is None:
        raise Unauthorized("this board asks for a password")
    if not await svc.state(users.Hashing).matches(svc, share.password, password, check=check):
        users.fail(svc, counted)
        raise Unauthorized("the password is wrong")


def _visit(tx: Tx, share_id: str) -> Visit:
    """In the same words whatever is missing. Raises NotFound."""
    uid = ids.try_parse(share_id)
    share = None if uid is None else store.share(tx, uid)
    if share is None or (share.expires_at is not None and share.expires_at <= tx.now_ms):
        raise NotFound(_GONE)
    board = store.by_row(tx, share.project, share.board)
    if board is None or projects.by_row(tx, share.project) is None:
        raise NotFound(_GONE)
    return Visit(share, board)


def _opened(tx: Tx, share_id: str) -> SharedBoard:
    visit = _visit(tx, share_id)
    tiles, shown = service.tiles_of(visit.board), []
    for tile in tiles:
        query = _approved(tx, visit, tile)
        if query is not None:
            kind, title = saved_queries.kind_of(query), tile.title or query.name
            shown.append(schemas.SharedTile(tile.id, title, kind, tile.width, tile.height))
    return SharedBoard(visit.board.name, shown, len(tiles) - len(shown))


def _query_of_tile(tx: Tx, visit: Visit, tile_id: str) -> SavedQuery:
    tile = next((one for one in service.tiles_of(visit.board) if one.id == tile_id), None)
    query = None if tile is None else _approved(tx, visit, tile)
    if query is None:
        raise NotFound("the link shows no such tile, or it was changed since the board was shared")
    return query


def _approved(tx: Tx, visit: Visit, tile: Tile) -> SavedQuery | None:
    """None for a question that the link was not approved for."""
    query = service.query_of(tx, visit.share.project, tile)
    if query is None or sharing.approved_of(visit.share).get(tile.id) != boards.digest(query.kind, query.spec):
        return None
    return query


def _bound_to(share: Share) -> str:
    """A ticket is of one link, as it is: of its token and its password."""
    return f"shared board {ids.text(share.uid)} {share.token_hash.hex()} {share.password}"
