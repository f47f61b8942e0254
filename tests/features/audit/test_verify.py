"""What is done to the log behind the server's back is found, and what the server itself does to it is not a fault."""

from collections.abc import Callable

import pytest

from delta_server.features.accounts import service as accounts
from delta_server.features.audit import service as audit
from delta_server.services import Services
from delta_server.storage import key_file
from delta_server.storage.database import Tx
from tests.features.audit.trail import verified
from tests.storage.opened import FakeClock

DAY_MS = 86_400_000


def fill(tx: Tx) -> None:
    account = accounts.default_account(tx)  # which is row 1
    for n in range(2, 8):
        audit.record(tx, account, "project.create", name=f"p{n}")


@pytest.fixture
async def filled(services: Services) -> Services:
    await services.db.write(fill)
    return services


def rows(tx: Tx) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in tx.all("SELECT seq, action FROM audit ORDER BY seq")]


async def test_it_is_whole(filled: Services) -> None:
    found = await verified(filled)
    assert (found.rows, found.broken, found.unknown) == (7, [], [])


def run(*statements: str) -> Callable[[Tx], None]:
    def change(tx: Tx) -> None:
        for statement in statements:
            tx.run(statement)

    return change


SWAP = "UPDATE audit SET seq = CASE seq WHEN 3 THEN -4 WHEN 4 THEN -3 END WHERE seq IN (3, 4)"
BEFORE = "UPDATE audit_head SET cut_seq = 2, cut_hash = (SELECT hash FROM audit WHERE seq = 2)"
EARLIER = "UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit WHERE seq = 5)"
CUT = "DELETE FROM audit WHERE seq > 5"
TEXTS = ("actor", "address", "request_id", "action", "project", "target", "name", "outcome", "detail")
ALTERED, SIGNED = "row 3 is not what was written", "its end is not what was signed"


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        *(([f"UPDATE audit SET {column} = 'x' WHERE seq = 3"], ALTERED) for column in TEXTS),
        *(([f"UPDATE audit SET {column} = 9 WHERE seq = 3"], ALTERED) for column in ("at", "repeats")),
        (["UPDATE audit SET hash = zeroblob(32) WHERE seq = 3"], ALTERED),
        ([SWAP, "UPDATE audit SET seq = -seq WHERE seq < 0"], ALTERED),
        (["DELETE FROM audit WHERE seq = 1"], "row 1 is gone"),
        (["DELETE FROM audit WHERE seq IN (3, 4)"], "rows 3 to 4 are gone"),
        ([CUT], "rows 6 to 7 are gone"),
        (["DELETE FROM audit"], "rows 1 to 7 are gone"),
        (["UPDATE audit SET seq = -5 WHERE seq = 5"], "row -5 was added"),
        ([CUT, EARLIER], SIGNED),
        ([EARLIER], "it ends with row 7, which is not where it was signed, row 5"),
        ([BEFORE], "row 1 was added"),
        ([BEFORE, "DELETE FROM audit WHERE seq < 3"], SIGNED),
        (["UPDATE audit_head SET signature = zeroblob(32)"], SIGNED),
        (["DELETE FROM audit", "DELETE FROM audit_head"], "its end is not there"),
    ],
)
async def test_what_others_do_to_it_is_found(filled: Services, statements: list[str], says: str) -> None:
    await filled.db.write(run(*statements))
    assert [text[: len(says)] for text in (await verified(filled)).broken] == [says]


async def test_whoever_makes_the_end_anew_needs_the_key(filled: Services) -> None:
    """Another key's id beside it does not hide it: that is said, and the next row of the server's says it for good."""
    await filled.db.write(run(CUT, EARLIER, "UPDATE audit_head SET key_id = zeroblob(8)"))
    found = await verified(filled)
    assert (found.broken, len(found.unknown)) == ([], 1)
    await filled.db.write(lambda tx: audit.record(tx, accounts.default_account(tx), "project.create"))
    assert (await filled.db.read(rows))[-2:] == [(6, "audit.key_change"), (7, "project.create")]


@pytest.mark.parametrize(
    "key", [None, b"another key of the right length !", b"damaged"], ids=["gone", "other", "damaged"]
)
async def test_a_restored_backup_is_no_damage(filled: Services, key: bytes | None) -> None:
    """delta.key is not in it."""
    path = filled.config.storage.data_dir / key_file.NAME
    path.unlink()
    if key is not None:
        path.write_bytes(key)
        path.chmod(0o600)
    found = await verified(filled)
    assert (found.rows, found.broken, len(found.unknown)) == (7, [], 1)
    assert path.exists() == (key is not None)


async def test_a_change_that_fails_leaves_no_row(filled: Services) -> None:
    def fails(tx: Tx) -> None:
        audit.record(tx, accounts.default_account(tx), "project.create")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await filled.db.write(fails)
    assert ((await verified(filled)).rows, (await verified(filled)).broken) == (7, [])


async def test_old_rows_are_cut_off_and_the_rest_is_still_proven(filled: Services, clock: FakeClock) -> None:
    clock.advance(200 * DAY_MS)
    await filled.db.write(lambda tx: audit.record(tx, accounts.default_account(tx), "project.create"))
    await audit.expire(filled)
    assert len(await filled.db.read(rows)) == 8
    clock.advance(200 * DAY_MS)
    await audit.expire(filled)
    assert await filled.db.read(rows) == [(8, "project.create"), (9, "audit.expire")]
    assert ((await verified(filled)).broken, (await verified(filled)).unknown) == ([], [])
    await filled.db.write(run("UPDATE audit SET name = 'x' WHERE seq = 8"))
    assert (await verified(filled)).broken != []


async def test_damage_is_not_cut_off(filled: Services, clock: FakeClock) -> None:
    await filled.db.write(run("DELETE FROM audit WHERE seq = 3"))
    clock.advance(400 * DAY_MS)
    await audit.expire(filled)
    assert (await verified(filled)).broken == ["row 3 is gone"]


async def test_many_rows_are_cut_off_and_verified_in_pieces(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_EXPIRED_AT_ONCE", 2)
    monkeypatch.setattr("delta_server.features.audit.verifying._ROWS", 3)
    await services.db.write(fill)
    assert ((await verified(services)).rows, (await verified(services)).broken) == (7, [])
    clock.advance(400 * DAY_MS)
    await audit.expire(services)
    assert {action for _, action in await services.db.read(rows)} == {"audit.expire"}
    assert (await verified(services)).broken == []


async def test_a_database_without_a_log_begins_one(services: Services) -> None:
    """As the migration leaves accounts of earlier versions."""
    insert = "INSERT INTO account (uid, name, created_at) VALUES (x'01', 'default', 1)"
    head = "INSERT INTO audit_head SELECT id, 0, zeroblob(32), 0, zeroblob(32), x'', x'' FROM account"
    await services.db.write(run(insert, head))
    assert ((await verified(services)).broken, len((await verified(services)).unknown)) == ([], 1)
    for _ in range(2):
        await audit.begin(services)
    assert await services.db.read(rows) == [(1, "audit.begin")]
    assert ((await verified(services)).broken, (await verified(services)).unknown) == ([], [])
