"""Lists of the audit log read what they show, however long it is: in the order of an index, whatever is asked for."""

import itertools

import pytest

from delta_server.features.accounts import service as accounts
from delta_server.features.audit import store
from delta_server.features.audit.store import Filters
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.transaction import SqliteTx

ROWS = 3000
WANTED = {"actor": "key 1", "action": "login", "target": "user 1", "projects": ("p1",)}
INDEXES = {
    "target": "audit_target (account=? AND target=?",
    "actor": "audit_actor (account=? AND actor=?",
    "action": "audit_action (account=? AND action=?",
    "projects": "audit_project (account=? AND project=?",
}
"""The first of these that is asked for."""
ASKED = [names for count in range(3) for names in itertools.combinations(WANTED, count)]


def fill(tx: Tx) -> int:
    """Of few actors, actions, targets and projects, all alike often: the worst for an index."""
    account = accounts.default_account(tx)
    tx.run(
        f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        " INSERT INTO audit (account, seq, at, actor, address, request_id, action, project, target, name, outcome,"
        " repeats, detail, hash) SELECT ?, i, ? + i, 'key ' || (i % 3), '', '', iif(i % 2, 'login', 'logout'),"
        " 'p' || (i % 3), 'user ' || (i % 5), '', 'ok', 1, '{}', zeroblob(32) FROM n",
        account,
        tx.now_ms,
    )
    tx.run("ANALYZE")
    return account


def plan(tx: Tx, sql: str, params: tuple[object, ...]) -> list[str]:
    return [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)]


@pytest.mark.parametrize("names", ASKED, ids=lambda names: "+".join(names) or "all")
async def test_rows_come_in_the_order_of_an_index(
    services: Services, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    account = await services.db.write(fill)
    ran: list[tuple[str, tuple[object, ...]]] = []
    execute = SqliteTx._execute

    def noting(tx: SqliteTx, sql: str, params: tuple[object, ...]) -> object:
        ran.append((sql, params))
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", noting)
    filters = Filters(0, 1 << 50, **{name: WANTED[name] for name in names})  # type: ignore[arg-type]  # each has its field's type, which a dict cannot say
    for before in (None, (1 << 49, 5)):
        await services.db.read(store.page, account, filters, before=before, limit=10)
        sql, params = ran[-1]
        steps = await services.db.read(plan, sql, params)
        assert len(steps) == 1, steps
        index = next((index for name, index in INDEXES.items() if name in names), "audit_at (account=?")
        assert steps[0].startswith(f"SEARCH audit USING INDEX {index} AND"), steps
