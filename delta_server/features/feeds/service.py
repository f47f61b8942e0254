"""Feeds: who may read what changes by an address alone."""

import os

import msgspec

from delta_server.core import ids, secret_addresses, times
from delta_server.core.errors import Conflict, NotFound
from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.feeds import schemas, store
from delta_server.features.feeds.schemas import FeedAnswer, NewFeed
from delta_server.features.feeds.store import Feed
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.idempotency import IdempotencyKey, StoredResponse

MOST_FEEDS = 1000
"""Of a project."""


async def create_feed(svc: Services, project: int, new: NewFeed, idempotency_key: IdempotencyKey) -> StoredResponse:
    """Raises NotFound for the endpoint, Conflict for too many."""
    return await svc.db.write(_create, project, new, _new_token(), svc.config.server.public_url, idempotency_key)


async def list_feeds(svc: Services, project: int, *, below: int, limit: int) -> list[tuple[int, schemas.Feed]]:
    """With their rows, the newest first."""
    return await svc.db.read(_page, project, below, limit)


async def rotate_feed(svc: Services, project: int, feed_id: str, overlap: str) -> FeedAnswer:
    """A new address. Raises NotFound, Invalid."""
    length_ms, token = secret_addresses.overlap_ms(overlap), _new_token()
    feed = await svc.db.write(_rotate, project, feed_id, secret_addresses.digest(token), length_ms)
    return _answer(feed, token, svc.config.server.public_url)


async def delete_feed(svc: Services, project: int, feed_id: str) -> None:
    """Raises NotFound."""
    await svc.db.write(_delete, project, feed_id)


def find(svc: Services, token: str) -> Feed:
    """The feed at an address. Raises NotFound."""
    feed = svc.db.peek(store.by_token, secret_addresses.digest(token))
    if feed is None:
        raise NotFound("there is no such feed, or its address has been replaced")
    return feed


def endpoint_of(tx: Tx, feed: Feed) -> EndpointRef | None:
    """None for a feed of the project, and where the endpoint lies in the bin."""
    try:
        return None if feed.endpoint_uid is None else endpoints.find(tx, feed.project, ids.text(feed.endpoint_uid))
    except NotFound:
        return None


def _create(
    tx: Tx, project: int, new: NewFeed, token: str, public_url: str, idempotency_key: IdempotencyKey
) -> StoredResponse:
    if answer := idempotency_key.replay(tx):
        return answer
    accounts.check_project(tx, project)
    endpoint = None if new.endpoint_id is None else endpoints.find(tx, project, new.endpoint_id)
    if store.count(tx, project, most=MOST_FEEDS) >= MOST_FEEDS:
        raise Conflict(f"the project has {MOST_FEEDS:,} feeds: delete some that nobody reads")
    of = None if endpoint is None else (endpoint.id, endpoint.uid)
    feed = store.insert(tx, project, of, secret_addresses.digest(token))
    _record(tx, feed, "feed.create")
    full = _answer(_shown(tx, feed), token, public_url)
    kept = msgspec.structs.replace(full, token=None, atom=None, json=None)
    answer = idempotency_key.record(tx, 201, msgspec.json.encode(kept))
    return msgspec.structs.replace(answer, body=msgspec.json.encode(full))


def _page(tx: Tx, project: int, below: int, limit: int) -> list[tuple[int, schemas.Feed]]:
    return [(feed.id, _shown(tx, feed)) for feed in store.page(tx, project, below=below, limit=limit)]


def _rotate(tx: Tx, project: int, feed_id: str, token_hash: bytes, overlap_ms: int) -> schemas.Feed:
    accounts.check_project(tx, project)
    uid = ids.parse(feed_id, "feed")
    feed = store.by_uid(tx, project, uid)
    if feed is None:
        raise _not_found()
    store.rotate(tx, project, feed.id, token_hash=token_hash, old_until=tx.now_ms + overlap_ms)
    _record(tx, feed, "feed.rotate")
    return _shown(tx, msgspec.structs.replace(feed, old_until=tx.now_ms + overlap_ms))


@frees_space
def _delete(tx: Tx, project: int, feed_id: str) -> None:
    uid = ids.parse(feed_id, "feed")
    feed = store.by_uid(tx, project, uid)
    if feed is None or not store.delete(tx, project, uid):
        raise _not_found()
    _record(tx, feed, "feed.delete")


def _not_found() -> NotFound:
    return NotFound("there is no such feed in this project: GET /v1/feeds lists them")


def _record(tx: Tx, feed: Feed, action: audit.Action) -> None:
    audit.record_in(tx, feed.project, action, target=f"feed {ids.text(feed.uid)}")


def _new_token() -> str:
    return secret_addresses.token("feed", os.urandom(secret_addresses.RANDOM_BYTES))


def _shown(tx: Tx, feed: Feed) -> schemas.Feed:
    of = endpoint_of(tx, feed)
    return schemas.Feed(
        id=ids.text(feed.uid),
        endpoint_id=None if feed.endpoint_uid is None else ids.text(feed.endpoint_uid),
        endpoint=None if of is None else of.name,
        old_token_until=None if not feed.old_until or feed.old_until <= tx.now_ms else times.format(feed.old_until),
        created_at=times.format(feed.created_at),
    )


def _answer(feed: schemas.Feed, token: str, public_url: str) -> FeedAnswer:
    base = f"{public_url.rstrip('/')}/v1/feeds/{token}"
    return FeedAnswer(feed, token, f"{base}/atom.xml", f"{base}/feed.json")
