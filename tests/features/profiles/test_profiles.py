import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.core.events.persons import PersonIds
from delta_server.core.events.profile_update import Alias, ProfileUpdate, TraitsUpdate
from delta_server.features.accounts import service as accounts
from delta_server.features.profiles import service, settling
from delta_server.features.profiles.service import Person
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.transaction import SqliteTx

PROJECT = 1


@pytest.fixture(autouse=True)
async def two_projects(services: Services) -> None:
    def make(tx: Tx) -> None:
        account = accounts.default_account(tx)
        assert [projects.ensure(tx, account, name).id for name in ("mine", "other")] == [PROJECT, PROJECT + 1]

    await services.db.write(make)


def user(name: str, at: int = 10, **traits: object) -> TraitsUpdate:
    return TraitsUpdate("user", name, traits, at)


async def after(services: Services, *told: ProfileUpdate, of: str) -> Person:
    packed = service.pack_updates([(0, one) for one in told])
    await services.db.write(service.store_updates, PROJECT, packed, frozenset())
    await service.apply_updates(services, PROJECT)
    return await services.db.read(service.person, PROJECT, of)


class TestProfiles:
    async def test_a_clock_that_was_ahead_hides_no_trait(self, services: Services) -> None:
        ahead = services.clock.now_ms() + 9 * 86_400_000
        await after(services, user("ann", ahead, plan="free"), of="ann")
        found = await after(services, user("ann", services.clock.now_ms(), plan="pro"), of="ann")
        assert found.profile is not None
        assert found.profile.traits == '{"plan":"pro"}'

    async def test_traits_add_up_and_times_widen(self, services: Services) -> None:
        found = await after(services, user("ann", 20, plan="free"), user("ann", 10, plan="pro", city="Rome"), of="ann")
        assert found.profile is not None
        assert found.profile.traits == '{"city":"Rome","plan":"free"}', "what was told later counts, whatever came last"
        assert (found.profile.first_seen_at, found.profile.last_seen_at) == (10, 20)

    async def test_an_alias_leads_to_the_one_profile_which_takes_over_what_was_known(self, services: Services) -> None:
        told: list[ProfileUpdate] = [
            user("anon", 5, ref="ad", plan="none"),
            user("ann", 10, plan="pro"),
            Alias("anon", "ann", 11),
        ]
        found = await after(services, *told, of="anon")
        assert (found.name, found.aliases) == ("ann", ["anon"])
        assert found.profile is not None
        assert found.profile.traits == '{"ref":"ad","plan":"pro"}'
        assert (found.profile.first_seen_at, found.profile.last_seen_at) == (5, 10)

    async def test_what_is_told_of_an_alias_later_reaches_the_profile(self, services: Services) -> None:
        found = await after(services, Alias("anon", "ann", 1), user("anon", 2, plan="pro"), of="ann")
        assert found.profile is not None
        assert found.profile.traits == '{"plan":"pro"}'

    async def test_chains_are_flattened_and_circles_change_nothing(self, services: Services) -> None:
        told: list[ProfileUpdate] = [Alias("a", "b", 1), Alias("b", "c", 2), Alias("c", "a", 3), Alias("d", "a", 4)]
        found = await after(services, *told, of="a")
        assert (found.name, found.aliases) == ("c", ["a", "b", "d"])

    async def test_projects_do_not_know_each_other(self, services: Services) -> None:
        await after(services, user("ann", plan="pro"), Alias("anon", "ann", 1), of="ann")
        other = await services.db.read(service.person, PROJECT + 1, "anon")
        assert other == Person("anon", PersonIds(("anon",), ("anon",)), None)

    async def test_forgetting_takes_profile_and_aliases(self, services: Services) -> None:
        await after(services, user("ann"), Alias("anon", "ann", 1), user("bob"), of="ann")
        await services.db.write(service.delete_profiles, PROJECT, PersonIds(("ann", "anon"), ("anon",)))
        assert (await services.db.read(service.person, PROJECT, "anon")).aliases == []
        assert (await services.db.read(service.person, PROJECT, "ann")).profile is None
        assert (await services.db.read(service.person, PROJECT, "bob")).profile is not None

    async def test_seen_widens_and_makes_profiles(self, services: Services) -> None:
        await after(services, user("ann", 10), Alias("anon", "ann", 1), of="ann")
        for _ in range(2):
            await services.db.write(service.seen, PROJECT, [("anon", 3, 4), ("new", 5, 6), ("ann", 12, 15)])
        page = await service.list_profiles(services, PROJECT, "user", q="", before=None, limit=10)
        assert [(p.name, p.first_seen_at, p.last_seen_at) for p in page] == [("ann", 3, 15), ("new", 5, 6)]

    async def test_a_search_asks_for_every_word_in_name_or_traits(self, services: Services) -> None:
        await after(services, user("ann", 3, city="Rome"), user("bob", 2, city="Roma"), user("ro", 1), of="ann")

        async def names(*words: str) -> list[str]:
            found = await service.list_profiles(services, PROJECT, "user", q=" ".join(words), before=None, limit=10)
            return [profile.name for profile in found]

        assert await names("ro") == ["ann", "bob", "ro"]
        assert await names("rom", "an") == ["ann"]
        assert await names("paris") == []


async def test_links_are_found_by_their_indexes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without statistics SQLite would take the primary key, and walk along all links of the project."""
    ran: dict[str, tuple[object, ...]] = {}
    execute = SqliteTx._execute

    def noting(tx: SqliteTx, sql: str, params: tuple[object, ...]) -> object:
        if "person_link" in sql or "person_change" in sql:
            ran[sql] = params
        return execute(tx, sql, params)

    monkeypatch.setattr(SqliteTx, "_execute", noting)
    await after(services, Alias("a", "b", 1), Alias("b", "c", 2), of="a")
    await after(services, Alias("a", "d", 0), Alias("c", "e", 3), of="a")
    await services.db.write(service.delete_profiles, PROJECT, PersonIds(("e",)))

    def plans(tx: Tx) -> dict[str, list[str]]:
        return {
            sql: [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *params)] for sql, params in list(ran.items())
        }

    found = await services.db.read(plans)
    assert len(found) >= 8
    for sql, steps in found.items():
        assert all(step.startswith("SEARCH") and "(project=?" in step for step in steps), (sql, steps)
        if "person_link" in sql:
            assert all(" AND " in step for step in steps), (sql, steps)


async def test_other_ids_of_before_there_were_links_become_links(services: Services) -> None:
    def old(tx: Tx) -> None:
        rows = [("anon", "ann"), ("server", "bob"), ("old", "ann")]
        tx.many(f"INSERT INTO alias (project, name, of, created_at) VALUES ({PROJECT}, ?, ?, 5)", rows)
        tx.run(
            "INSERT INTO profile (project, kind, name, traits, first_seen_at, last_seen_at, updated_at)"
            " VALUES (?, 'user', 'ann', '{\"plan\":\"pro\"}', 1, 2, 3)",
            PROJECT,
        )

    await services.db.write(old)
    await service.apply_all_updates(services)
    found = await after(services, user("ann", -9, plan="free"), of="anon")
    assert (found.name, found.aliases) == ("ann", ["anon", "old"])
    assert found.profile is not None
    assert found.profile.traits == '{"plan":"free"}', "what was told without a time is older than all"
    assert (await services.db.read(service.person, PROJECT, "bob")).aliases == []


async def test_one_projects_failure_does_not_keep_the_others_waiting(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for project in (PROJECT, PROJECT + 1):
        packed = service.pack_updates([(0, user("ann"))])
        await services.db.write(service.store_updates, project, packed, frozenset())
    known = settling.known

    def fail(tx: Tx, project: int, wanted: settling.Wanted) -> object:
        if project == PROJECT:
            raise DatabaseFailed("damaged")
        return known(tx, project, wanted)

    with monkeypatch.context() as broken:
        broken.setattr(settling, "known", fail)
        await service.apply_all_updates(services)
    people = [await services.db.read(service.person, each, "ann") for each in (PROJECT, PROJECT + 1)]
    assert [person.profile is None for person in people] == [True, False]
    await service.apply_all_updates(services)
    assert (await services.db.read(service.person, PROJECT, "ann")).profile is not None
