"""Periodic: what was held back in quiet hours, and digests, leave when it is time, and are forgotten in that commit."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from delta_server.core import ids
from delta_server.features.alerts import raising, store
from delta_server.features.alerts.store import Notice
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx

AT_ONCE = 200
"""Lines of one digest: 40 kB."""


class SaidLine(msgspec.Struct, frozen=True):
    alert_id: str
    what: str
    text: str
    held: bool


class SaidDigest(msgspec.Struct, frozen=True):
    count: int
    lines: Sequence[SaidLine]


class DigestHappened(msgspec.Struct, frozen=True):
    digest: SaidDigest


async def send_due(svc: Services) -> None:
    while projects := await svc.db.write(_send_some):
        for project in projects:
            svc.topics.wake("happenings", project)


def _send_some(tx: Tx) -> set[int]:
    """The projects of what left."""
    notices = store.due_notices(tx, AT_ONCE)
    digests: dict[int, list[Notice]] = defaultdict(list)
    for notice in notices:
        if notice.in_digest:
            digests[notice.project].append(notice)
        else:
            kind = raising.RAISED if notice.what == "raised" else raising.CLEARED
            outbox.write(tx, notice.project, kind, notice.body)
    for project, of in digests.items():
        lines = [SaidLine(ids.text(each.alert_uid), each.what, each.text, each.is_held) for each in of]
        said = DigestHappened(SaidDigest(len(lines), lines))
        outbox.write(tx, project, raising.DIGEST, msgspec.json.encode(said).decode())
    for notice in notices:
        store.delete_notice(tx, notice.project, notice.id)
    return {notice.project for notice in notices}
