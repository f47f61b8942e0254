"""Deliveries as they are looked at, and sent again."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import Conflict, Invalid, NotFound
from delta_server.core.webhooks import kinds, messages, samples
from delta_server.features.audit import service as audit
from delta_server.features.webhooks import attempts, service, store
from delta_server.features.webhooks.schemas import Health
from delta_server.features.webhooks.sending import Senders
from delta_server.features.webhooks.store import Delivery, State, Webhook
from delta_server.services import Services
from delta_server.storage.database import Tx

NEWEST = 1 << 62
LOOKED_AT = 5_000
"""Rows that one page looks through at most, where filters leave few of them."""
RECOVERED_AT_MOST = 20_000
WAITING_AT_MOST = 10_000
SPARK_HOURS = 4
_PAGE = 100
_RESTARTED_AT_ONCE = 500


class Filters(msgspec.Struct, frozen=True):
    """`state` late: it took more than one attempt; `text` stands in the type or in the endpoint's name."""

    states: frozenset[State] = frozenset()
    late: bool = False
    kind: str | None = None
    text: str = ""

    def hold(self, delivery: Delivery) -> bool:
        if self.kind is not None and not kinds.is_one_of(delivery.kind, [self.kind]):
            return False
        if (self.states or self.late) and not (
            delivery.state in self.states
            or (self.late and delivery.state == "delivered" and len(attempts.of(delivery)) > 1)
        ):
            return False
        return not self.text or self.text in f"{delivery.kind} {endpoint_name(delivery) or ''}".lower()


class Found(msgspec.Struct, frozen=True):
    """A delivery, and whose."""

    webhook: Webhook
    delivery: Delivery


class FoundPage(msgspec.Struct, frozen=True):
    """`next` is the number before which the next page begins."""

    found: list[Found]
    next: int | None


class Timeline(msgspec.Struct, frozen=True):
    """How many arrived and how many attempts failed, by the hour from `from_ms` on."""

    from_ms: int
    counts: list[tuple[int, int]]


class _About(msgspec.Struct, frozen=True):
    endpoint: dict[str, str] | None = None


def endpoint_name(delivery: Delivery) -> str | None:
    endpoint = msgspec.json.decode(delivery.body, type=_About).endpoint
    return None if endpoint is None else endpoint.get("name")


async def list_deliveries(
    svc: Services, project: int, webhook: str | None, filters: Filters, *, before: int, limit: int
) -> FoundPage:
    """Newest first, those with lower numbers than `before`. Raises NotFound for the webhook."""
    return await svc.db.read(_page_of, project, webhook, filters, before, limit)


async def number_around(svc: Services, project: int, around: str, limit: int) -> int:
    """Before which number a page begins that has the moment, or the delivery of that id, in its middle. Raises
    Invalid."""
    return await svc.db.read(_number_around, project, around, limit, svc.clock.now_ms())


def get_delivery(svc: Services, project: int, text: str) -> Found:
    """Raises NotFound."""
    return svc.db.peek(find, project, text)


def find(tx: Tx, project: int, text: str) -> Found:
    number = messages.number_in(ids.parse(text, "delivery"))
    row = store.webhook_of(tx, number)
    webhook = None if row is None else store.by_row(tx, row)
    if webhook is not None and webhook.project == project:
        delivery = store.delivery(tx, webhook.id, number)
        if delivery is not None and messages.id_of(delivery.id, delivery.at) == text.lower():
            return Found(webhook, delivery)
    raise NotFound("there is no such delivery: GET /v1/webhooks/deliveries lists those that are kept")


async def redeliver(svc: Services, project: int, text: str) -> Found:
    """Send it again, now, with its id. Raises NotFound, Conflict while its webhook is off."""
    found = await svc.db.write(_redeliver, project, text)
    svc.state(Senders).wake([found.webhook.id], now=True)
    return found


async def recover(svc: Services, project: int, text: str, since: str, *, dry_run: bool) -> int:
    """Send again what has not arrived since then; how many they are. Raises NotFound, Invalid, Conflict while the
    webhook is off."""
    webhook = service.get_webhook(svc, project, text)
    since_ms = times.parse_moment(since, field="since", now_ms=svc.clock.now_ms())
    numbers = await svc.db.read(_not_arrived, webhook.id, since_ms)
    if dry_run:
        return len(numbers)
    _refuse_off(webhook)
    for start in range(0, len(numbers), _RESTARTED_AT_ONCE):
        await svc.db.write(_restart, webhook.id, numbers[start : start + _RESTARTED_AT_ONCE])
    await svc.db.write(_record, webhook, "webhook.recover", {"since": times.format(since_ms), "count": len(numbers)})
    svc.state(Senders).wake([webhook.id], now=True)
    return len(numbers)


async def send_test(svc: Services, project: int, text: str, kind: str) -> Found:
    """Raises NotFound, Invalid for the type, Conflict while the webhook is off."""
    if kind not in (*kinds.KINDS, kinds.TEST):
        raise Invalid(f"type must be one of {', '.join((kinds.TEST, *kinds.KINDS))}", field="type")
    found = await svc.db.write(_add_test, project, text, kind)
    svc.state(Senders).wake([found.webhook.id], now=True)
    return found


def health(tx: Tx, webhook: Webhook, spark: int) -> Health:
    hour = tx.now_ms // store.HOUR_MS
    first = hour - hour % SPARK_HOURS - SPARK_HOURS * (spark - 1)
    buckets = [[0, 0] for _ in range(spark)]
    for at, arrived, failed in store.counts(tx, webhook.id, first):
        bucket = buckets[min(spark - 1, (at - first) // SPARK_HOURS)]
        bucket[0] += arrived
        bucket[1] += failed
    due = store.open_first(tx, webhook.id, WAITING_AT_MOST)
    return Health(len(due), min(due)[0] if due else None, [(arrived, failed) for arrived, failed in buckets])


async def timeline(svc: Services, project: int, webhook: str | None, hours: int) -> Timeline:
    """Raises NotFound for the webhook."""
    return await svc.db.read(_timeline, project, webhook, hours)


async def healths(svc: Services, webhooks: Sequence[Webhook], spark: int) -> list[Health]:
    return await svc.db.read(_healths, webhooks, spark)


def _healths(tx: Tx, webhooks: Sequence[Webhook], spark: int) -> list[Health]:
    return [health(tx, webhook, spark) for webhook in webhooks]


def _timeline(tx: Tx, project: int, webhook: str | None, hours: int) -> Timeline:
    first = tx.now_ms // store.HOUR_MS - hours + 1
    counts = [[0, 0] for _ in range(hours)]
    for each in _webhooks_of(tx, project, webhook):
        for at, arrived, failed in store.counts(tx, each.id, first):
            count = counts[min(hours - 1, at - first)]  # a clock that was set back has counted hours to come
            count[0] += arrived
            count[1] += failed
    return Timeline(first * store.HOUR_MS, [(arrived, failed) for arrived, failed in counts])


def _webhooks_of(tx: Tx, project: int, webhook: str | None) -> list[Webhook]:
    """All, or the one that is asked for. Raises NotFound."""
    return store.of_project(tx, project) if webhook is None else [service.find(tx, project, webhook)]


def _page_of(tx: Tx, project: int, webhook: str | None, filters: Filters, before: int, limit: int) -> FoundPage:
    walks = [_walk(tx, each, before, limit) for each in _webhooks_of(tx, project, webhook)]
    rows = merge(*walks, key=lambda found: found.delivery.id, reverse=True)
    page: list[Found] = []
    last = before
    for found in islice(rows, LOOKED_AT):
        if filters.hold(found.delivery):
            if len(page) == limit:
                return FoundPage(page, last)
            page.append(found)
        last = found.delivery.id
    return FoundPage(page, last if next(rows, None) is not None else None)


def _walk(tx: Tx, webhook: Webhook, before: int, limit: int) -> Iterator[Found]:
    """Lazily, few at first: of many webhooks most end early."""
    size = min(limit, _PAGE)
    while rows := store.page(tx, webhook.id, before=before, limit=size):
        yield from (Found(webhook, delivery) for delivery in rows)
        if len(rows) < size:
            return
        before = rows[-1].id


def _number_around(tx: Tx, project: int, around: str, limit: int, now_ms: int) -> int:
    if ids.try_parse(around) is not None:
        middle = find(tx, project, around).delivery.id
    else:
        middle = _first_at(tx, times.parse_moment(around, field="around", now_ms=now_ms))
    later: list[int] = []
    for webhook in store.of_project(tx, project):
        later += store.numbers_after(tx, webhook.id, middle, limit // 2)
    return sorted(later)[limit // 2 - 1] + 1 if limit > 1 and len(later) >= limit // 2 else NEWEST


def _first_at(tx: Tx, at_ms: int) -> int:
    """The number of the first delivery from that time on, as their times ascend with their numbers."""
    low, high = 0, store.newest(tx) + 1
    while low < high:
        middle = (low + high) // 2
        found = store.time_at_or_after(tx, middle)
        if found is None or found[1] >= at_ms:
            high = middle
        else:
            low = found[0] + 1
    return low


def _refuse_off(webhook: Webhook) -> None:
    if webhook.off_because is not None:
        raise Conflict('the webhook is off: PATCH /v1/webhooks/{webhook_id} with {"enabled": true} turns it on')


def _redeliver(tx: Tx, project: int, text: str) -> Found:
    found = find(tx, project, text)
    _refuse_off(found.webhook)
    store.begin_again(tx, found.webhook.id, found.delivery.id)
    _record(tx, found.webhook, "webhook.redeliver", {"delivery": text.lower()})
    return find(tx, project, text)


def _not_arrived(tx: Tx, webhook: int, since_ms: int) -> list[int]:
    return store.not_arrived(tx, webhook, since_ms, RECOVERED_AT_MOST)


def _restart(tx: Tx, webhook: int, numbers: Sequence[int]) -> None:
    for number in numbers:
        store.begin_again(tx, webhook, number)


def _add_test(tx: Tx, project: int, text: str, kind: str) -> Found:
    webhook = service.find(tx, project, text)
    _refuse_off(webhook)
    number = store.add_test(tx, webhook.id, kind, msgspec.json.encode(samples.sample(kind)).decode())
    delivery = store.delivery(tx, webhook.id, number)
    assert delivery is not None
    return Found(webhook, delivery)


def _record(tx: Tx, webhook: Webhook, action: audit.Action, detail: dict[str, object]) -> None:
    audit.record_in(tx, webhook.project, action, target=f"webhook {ids.text(webhook.uid)}", detail=detail)
