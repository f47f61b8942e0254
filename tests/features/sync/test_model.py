"""Devices and a server in any order of everything that may happen to them: nothing is lost, nothing rises again.

Replicas edit, push, upload and pull, with patches and too often at times; people choose between what they disagree
about; answers are lost, come twice or late, batches are cut in two, clocks are wrong, what is old is forgotten, the
server ends and starts, backups are put back. What the server answers, and what its stream tells, is held against a
plain list of what it took (shadow.py). DELTA_FUZZ=20 tries as much more.
"""

import asyncio
import copy
import json
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from delta_server.app import Application
from delta_server.config.sections import Config, Log, RateLimits, Sync
from delta_server.core import times
from delta_server.features.devices import feature as devices
from delta_server.features.sync import committing
from delta_server.features.sync import feature as sync
from delta_server.features.sync.uploads import staging
from delta_server.storage import backup
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.options import Storage
from tests.conftest import bearer, built, client_of, make_keys, started
from tests.features.sync.replica import Edit, Replica, content_of
from tests.features.sync.shadow import Shadow
from tests.features.sync.test_news import Follower
from tests.often import FUZZ
from tests.storage.opened import FakeClock

USER, OTHER = "ann", "bob"
NOTES = "/v1/sync/notes/delta"
WITHOUT_LIMITS = RateLimits(ingest_per_minute=0, query_per_minute=0, auth_per_minute=0, unauthorized_per_minute=0)

T = TypeVar("T")

which = st.integers(0, 4)
record_ids = st.sampled_from(["r1", "r2", "r3", "r4"])
contents = st.one_of(st.integers(0, 9).map(str), st.none(), st.binary(max_size=3))
limits = st.sampled_from([1, 2, 3, 100])
sizes = st.sampled_from([1, 2, 100])
hows = st.sampled_from(["without base", "on base", "as a patch"])
modes = st.sampled_from(["atomic", "per_record"])
fates = st.sampled_from(["answered", "answered", "answered", "twice", "late", "answer lost", "request lost"])


class Devices(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.key = ""
        self.opened = AsyncExitStack()
        self.app: Application
        self.client: httpx.AsyncClient
        self.late: list[tuple[Replica, str, list[Edit], list[Any]]] = []
        self.marks: list[tuple[str, int, int]] = []
        self.copy: tuple[Shadow, dict[str, Any], int, dict[str, int]] | None = None
        self.newest: dict[str, int] = {}
        self.told: dict[str, int] = {}
        self.last_id = ""
        self.others: dict[str, Any] = {}
        self.modes: dict[str, str] = {}
        self.epoch = self.epochs = 0
        self.run(self.start())

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @property
    def data(self) -> Path:
        return Path(self.directory.name) / "data"

    async def start(self) -> None:
        config = Config(
            storage=Storage(data_dir=self.data),
            log=Log(level="error"),
            rate_limits=WITHOUT_LIMITS,
            sync=Sync(pushes_per_minute=4, pulls_per_minute=30),
        )
        self.app = await self.opened.enter_async_context(started(built(config, self.clock)))
        self.client = await self.opened.enter_async_context(client_of(self.app))
        self.key = self.key or (await make_keys(self.app.services, self.clock)).project

    @initialize(count=st.integers(3, 5), policy=st.sampled_from(["last_write", "reject", "manual"]))
    def begin(self, count: int, policy: str) -> None:
        self.replicas = [Replica(f"device {number}", leaves_out_own=number % 2 == 0) for number in range(count)]
        self.shadow = Shadow(policy)
        self.run(self.app.services.db.write(_set_policy, policy))
        self.edit_and_push(0, [("r1", "1"), ("r2", "2"), ("r3", b"3")], "atomic", "answered")
        self.everyone_syncs()

    def teardown(self) -> None:
        if hasattr(self, "shadow"):
            self.everyone_syncs()
        self.run(self.opened.aclose())
        self.runner.close()
        self.directory.cleanup()

    # What happens

    @rule(which=which, record_id=record_ids, content=contents, how=hows, days=st.sampled_from([-1, 0, 1]))
    def edit(self, which: int, record_id: str, content: str | bytes | None, how: str, days: int) -> None:
        at = times.format(self.clock.now_ms() + days * times.DAY_MS)
        self.of(which).edit(record_id, content, at, knows=how != "without base", patches=how == "as a patch")

    @rule(which=which, edits=st.lists(st.tuples(record_ids, contents), min_size=1, max_size=4), mode=modes, fate=fates)
    def edit_and_push(self, which: int, edits: list[Any], mode: str, fate: str) -> None:
        for number, (record_id, content) in enumerate(edits):
            self.edit(which, record_id, content, ("as a patch", "on base", "without base")[min(number, 2)], 0)
        self.push(which, 100, mode, fate)

    @rule(record_id=record_ids, mine=contents, theirs=contents, how=st.sampled_from(["on base", "as a patch"]))
    def two_edit_the_same(self, record_id: str, mine: Any, theirs: Any, how: str) -> None:
        for which, content in ((0, mine), (1, theirs)):
            self.edit(which, record_id, content, how, 0)
            self.push(which, 1, "per_record", "answered")

    @rule(which=which, most=sizes, mode=modes, fate=fates)
    def push(self, which: int, most: int, mode: str, fate: str) -> None:
        replica = self.of(which)
        if batch_id := replica.next_batch(most):
            self.send(replica, batch_id, mode, fate)

    @rule(which=which, is_cut=st.booleans(), mode=modes, fate=fates)
    def push_again(self, which: int, is_cut: bool, mode: str, fate: str) -> None:
        replica = self.of(which)
        for batch_id in sorted(replica.unanswered)[:1]:
            for part in replica.cut(batch_id) if is_cut else [batch_id]:
                self.send(replica, part, mode, fate)

    @rule(
        which=which,
        edits=st.lists(st.tuples(record_ids, contents), max_size=4),
        cut=st.integers(0, 4),
        starts_anew=st.booleans(),
        limit=limits,
    )
    def upload(self, which: int, edits: list[Any], cut: int, starts_anew: bool, limit: int) -> None:
        replica, at = self.of(which), times.format(self.clock.now_ms())
        lines = [replica.line(record_id, content, at) for record_id, content in edits]
        where = {"device_id": replica.device_id, "upload_id": replica.name()}
        self.send_part(where, 0, lines[:cut])
        if starts_anew:
            self.server_starts_anew()
        self.clock.advance(60_000)
        with pytest.MonkeyPatch.context() as patched:
            goes_on, work = asyncio.Event(), partial(self.part, where, min(cut, len(lines)), lines[cut:], complete=True)
            showing = self.run(_staged(patched, goes_on, work))
            self.all_there_is_is_exact(limit)
            waiting = {each["id"] for each in self.ask("GET", "/v1/sync/conflicts").json()["data"]}
            assert waiting == set(self.shadow.waiting())
            goes_on.set()
            answer = self.run(_ended(showing))
        assert answer.status_code == 200, answer.text
        self.clock.advance(60_000)
        assert self.run(self.part(where, len(lines), [], complete=True)).json() == answer.json()
        results = self.ask("GET", "/v1/sync/upload/results", params=where).json()["data"]
        results = [{**result, "change_id": edit.change_id} for result, edit in zip(results, lines, strict=True)]
        before = self.shadow.newest
        self.shadow.uploaded(replica.device_id, lines, results, self.clock.now_ms())
        if self.shadow.newest != before:
            self.newest["notes"] = self.shadow.newest
        replica.answered("", lines, results)

    def send_part(self, where: dict[str, str], offset: int, lines: list[Edit]) -> None:
        self.clock.advance(60_000)
        answer = self.run(self.part(where, offset, lines))
        assert (answer.status_code, answer.json()["lines"]) == (200, offset + len(lines)), answer.text

    async def part(
        self, where: dict[str, str], offset: int, lines: list[Edit], *, complete: bool = False
    ) -> httpx.Response:
        content = "".join(json.dumps(edit.line()) + "\n" for edit in lines)
        headers = {**bearer(self.key), "x-sync-user": USER, "content-type": "application/x-ndjson"}
        params: dict[str, str | int] = {**where, "offset": offset, "complete": complete}
        return await self.client.post("/v1/sync/upload", content=content, params=params, headers=headers)

    @rule(which=which, record_id=record_ids, mine=contents, theirs=contents)
    def push_again_what_another_has_changed_since(self, which: int, record_id: str, mine: Any, theirs: Any) -> None:
        replica = self.of(which)
        self.edit(which, record_id, mine, "on base", 0)
        batch_id = replica.next_batch(100)
        assert batch_id is not None
        self.send(replica, batch_id, "per_record", "answer lost")
        self.edit(which + 1, record_id, theirs, "without base", 0)
        self.push(which + 1, 100, "per_record", "answered")
        for part in replica.cut(batch_id):
            self.send(replica, part, "per_record", "answered")

    @rule(which=which, record_id=record_ids, content=contents)
    def edit_what_was_deleted_long_ago(self, which: int, record_id: str, content: str | bytes | None) -> None:
        self.pull_a_page(which, 100)
        self.edit(which, record_id, None, "on base", 0)
        self.push(which, 100, "per_record", "answered")
        self.time_passes(91 * times.DAY_MS, is_expired=True)
        self.edit(which + 1, record_id, content, "on base", 0)
        self.push(which + 1, 100, "per_record", "answered")

    @rule(which=which, content=st.integers(0, 9).map(str))
    def push_between_two_pages(self, which: int, content: str) -> None:
        page = self.ask("GET", NOTES, params={"limit": 1}).json()
        until = page["until"]
        self.edit(which, "r4", content, "without base", 0)
        self.push(which, 100, "per_record", "answered")
        while page["has_more"]:
            page = self.ask("GET", NOTES, params={"limit": 1, "cursor": page["next_cursor"]}).json()
            assert page["until"] == until, "the window of the first page"
            assert all(record["version"] <= until for record in page["changes"])

    @precondition(lambda self: self.late)
    @rule(which=which)
    def hear_late(self, which: int) -> None:
        replica, batch_id, edits, results = self.late.pop(which % len(self.late))
        replica.answered(batch_id, edits, results)

    @rule(which=which, limit=limits)
    def pull_a_page(self, which: int, limit: int) -> None:
        self.pull(self.of(which), limit)

    @rule(version=st.integers(1, 9), data_type=st.sampled_from(["tags", "lists"]))
    def push_elsewhere(self, version: int, data_type: str) -> None:
        batch_id = times.format(self.clock.now_ms()) + str(self.shadow.newest)
        data = [self.shadow.newest, self.epoch, version]
        change = {"change_id": batch_id, "record_id": "t", "operation": "update", "data": data}
        body = {"device_id": "elsewhere", "batch_id": batch_id, "changes": [change]}
        answer = self.ask("POST", NOTES.replace("notes", data_type), json=body).json()
        if answer["counts"]["applied"]:
            self.shadow.elsewhere(answer["version"])
            self.newest[data_type] = answer["version"]

    @rule(content=st.integers(0, 9))
    def push_for_another_person(self, content: int) -> None:
        body = {"device_id": "device 0", "batch_id": f"{self.shadow.writes} {self.epoch} {content}"}
        change = {"change_id": body["batch_id"], "record_id": body["batch_id"], "operation": "update", "data": content}
        answer = self.ask("POST", NOTES, user=OTHER, json={**body, "changes": [change]}).json()
        self.shadow.writes += answer["counts"]["applied"]
        if answer["counts"]["applied"]:
            self.others[body["batch_id"]] = content

    @rule(ms=st.sampled_from([1, times.DAY_MS, 31 * times.DAY_MS, 91 * times.DAY_MS]), is_expired=st.booleans())
    def time_passes(self, ms: int, is_expired: bool) -> None:
        self.clock.advance(ms)
        if is_expired:
            for periodic in [*devices.FEATURE.periodic, *sync.FEATURE.periodic]:
                self.run(periodic.run(self.app.services))
            self.shadow.expire(self.clock.now_ms())

    @rule()
    def server_starts_anew(self) -> None:
        self.run(self.opened.aclose())
        self.run(self.start())

    @rule()
    def back_up(self) -> None:
        target = Path(self.directory.name) / "copy.zst"
        backup.back_up(self.data / DATABASE_NAME, target, progress=_nothing, overwrite=True)
        self.copy = copy.deepcopy((self.shadow, self.others, self.epoch, self.newest))

    @precondition(lambda self: self.copy)
    @rule()
    def restore(self) -> None:
        assert self.copy is not None
        self.run(self.opened.aclose())
        source = Path(self.directory.name) / "copy.zst"
        backup.restore(source, self.data, DATABASE_NAME, progress=_nothing, overwrite=True)
        writes, epoch = self.shadow.writes, self.epoch
        self.shadow, self.others, self.epoch, self.newest = copy.deepcopy(self.copy)
        if writes > self.shadow.writes or epoch != self.epoch:
            self.shadow.has_skipped = True
            self.epochs += 1
            self.epoch = self.epochs
            self.told = {}
        self.run(self.start())

    @rule(which=which)
    def device_is_removed(self, which: int) -> None:
        self.ask("DELETE", f"/v1/devices/{self.of(which).device_id}", (204, 404))

    @precondition(lambda self: self.shadow.waiting())
    @rule(which=which, take=st.sampled_from(["server", "device", "merge"]), is_late=st.booleans())
    def choose(self, which: int, take: str, is_late: bool) -> None:
        found = self.ask("GET", "/v1/sync/conflicts").json()["data"]
        assert {each["id"] for each in found} == set(self.shadow.waiting())
        conflict = found[which % len(found)]
        server = conflict["server"]["version"] - is_late
        met = self.shadow.waiting()[conflict["id"]]
        data = {"data": json.loads(met.edit.content)} if isinstance(met.edit.content, str) else {}
        take = "device" if take == "merge" and not data else take
        choice = {"take": take, "server_version": max(1, server), **(data if take == "merge" else {})}
        answer = self.ask("POST", f"/v1/sync/conflicts/{conflict['id']}", (200, 409, 410), json=choice)
        if answer.status_code == 200:
            assert server == conflict["server"]["version"]
            before = self.shadow.newest
            self.shadow.chosen(conflict["id"], take, answer.json()["version"], self.clock.now_ms())
            if self.shadow.newest != before:
                self.newest["notes"] = self.shadow.newest
        else:
            assert answer.json()["server"]["version"] == conflict["server"]["version"] != choice["server_version"]

    @rule(which=which, most=sizes, mode=modes, begins=st.booleans())
    def push_while_somebody_listens(self, which: int, most: int, mode: str, begins: bool) -> None:
        self.edit(which, "r1", str(self.shadow.newest), "on base", 0)
        self.told = {} if begins else self.told
        follower = Follower(self.app, USER, "" if begins else self.last_id)
        while self.told != self.newest:
            self.hear(self.run(follower.next()))
        listening = self.run(_begun(follower))
        self.push(which, most, mode, "answered")
        if self.told == self.newest:
            assert not listening.done(), "nothing is told twice"
        while self.told != self.newest:
            self.hear(self.run(_ended(listening)))
            listening = self.run(_begun(follower))
        listening.cancel()
        self.last_id = follower.last_id
        self.run(_closed(listening, follower))

    def hear(self, news: list[tuple[str, int]]) -> None:
        for data_type, version in news:
            assert self.told.get(data_type, 0) < version <= self.newest[data_type], "what is there, and once"
            self.told[data_type] = version

    # What must hold

    @precondition(lambda self: self.marks)
    @rule(which=which, limit=limits)
    def the_difference_is_exact(self, which: int, limit: int) -> None:
        cursor, version, epoch = self.marks[which % len(self.marks)]
        found = self.everything(cursor, limit)
        if epoch != self.epoch or 0 < version < self.shadow.horizon:
            assert found is None, "a gap is said"
        else:
            assert found == self.shadow.after(version)

    @rule(limit=limits)
    def all_there_is_is_exact(self, limit: int) -> None:
        found = self.everything("", limit)
        assert found == self.shadow.after(0)

    @rule()
    def everyone_syncs(self) -> None:
        for replica in [*self.replicas, *self.replicas]:
            for late in [late for late in self.late if late[0] is replica]:
                self.late.remove(late)
                replica.answered(late[1], late[2], late[3])
            for _ in range(len(replica.outbox) + 1):
                replica.next_batch(100)
                for batch_id in sorted(replica.unanswered):
                    self.send(replica, batch_id, "per_record", "answered")
            while self.pull(replica, 2):
                pass
            assert not replica.outbox
        for replica in self.replicas:
            assert replica.living() == self.shadow.living()
        assert self.run(self.app.services.db.read(_digest)) in (self.shadow.digest(), None)
        theirs = self.ask("GET", NOTES, user=OTHER).json()["changes"]
        assert {record["record_id"]: record["data"] for record in theirs} == self.others

    # How

    def of(self, which: int) -> Replica:
        return self.replicas[which % len(self.replicas)]

    def ask(self, method: str, path: str, statuses: tuple[int, ...] = (200,), user: str = USER, **more: Any) -> Any:
        """Who asks too often waits for a minute: what was refused changed nothing."""
        headers = {**bearer(self.key), "x-sync-user": user}
        answer = self.run(self.client.request(method, path, headers=headers, **more))
        if answer.status_code == 429:
            self.clock.advance(60_000)
            answer = self.run(self.client.request(method, path, headers=headers, **more))
        assert answer.status_code in statuses, answer.text
        return answer

    def send(self, replica: Replica, batch_id: str, mode: str, fate: str) -> None:
        if fate == "request lost":
            return
        edits, mode = replica.unanswered[batch_id], self.modes.setdefault(batch_id, mode)
        changes = [edit.wire() for edit in edits]
        body = {"device_id": replica.device_id, "batch_id": batch_id, "mode": mode, "changes": changes}
        for _ in range(1 + (fate == "twice")):
            answer = self.ask("POST", NOTES, (200, 409), json=body)
            results = answer.json()["results"]
            if answer.status_code == 409:
                self.shadow.refused(edits, results, self.clock.now_ms())
            else:
                before = self.shadow.newest
                self.shadow.answered(replica.device_id, batch_id, edits, answer.json(), self.clock.now_ms())
                if self.shadow.newest != before:
                    self.newest["notes"] = self.shadow.newest
            if fate == "late":
                self.late.append((replica, batch_id, edits, results))
            elif fate != "answer lost":
                replica.answered(batch_id, edits, results)

    def pull(self, replica: Replica, limit: int) -> bool:
        """Whether there is more."""
        answer = self.ask("GET", NOTES, (200, 410), params=replica.query(limit))
        page = answer.json()
        if answer.status_code == 410:
            assert replica.cursor
            assert page["code"] == "RESYNC_REQUIRED"
            replica.resync()
            return True
        replica.pulled(page)
        if not page["has_more"]:
            self.marks.append((page["next_cursor"], page["until"], self.epoch))
        return bool(page["has_more"])

    def everything(self, cursor: str, limit: int) -> list[Any] | None:
        """What all pages bring; None when a resync is asked for."""
        found: list[Any] = []
        while True:
            params = {"limit": limit, **({"cursor": cursor} if cursor else {})}
            answer = self.ask("GET", NOTES, (200, 410), params=params)
            if answer.status_code == 410:
                return None
            page = answer.json()
            assert len(page["changes"]) <= limit
            found += [(record["record_id"], record["version"], content_of(record)) for record in page["changes"]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                return found


def _nothing(*_: object) -> None:
    pass


async def _begun(follower: Follower) -> asyncio.Task[list[tuple[str, int]]]:
    listening = asyncio.create_task(follower.next())
    await asyncio.sleep(0)
    return listening


async def _ended(task: asyncio.Task[T]) -> T:
    return await task


async def _staged(
    patched: pytest.MonkeyPatch, goes_on: asyncio.Event, work: Callable[[], Coroutine[Any, Any, httpx.Response]]
) -> asyncio.Task[httpx.Response]:
    """An upload that is complete, of which everything is staged: it becomes visible when it may go on."""
    is_staged, commit = asyncio.Event(), committing.commit

    async def slow(*given: Any) -> Any:
        is_staged.set()
        await goes_on.wait()
        return await commit(*given)

    patched.setattr(staging, "commit", slow)
    showing = asyncio.create_task(work())
    await is_staged.wait()
    return showing


async def _closed(listening: asyncio.Task[list[tuple[str, int]]], follower: Follower) -> None:
    with suppress(asyncio.CancelledError):
        await listening
    await follower.pieces.aclose()


def _set_policy(tx: Tx, policy: str) -> None:
    tx.run(
        "INSERT INTO sync_type (project, name, conflicts, updated_at) SELECT id, 'notes', ?, 0 FROM project"
        " WHERE name = 'mine'",
        policy,
    )


def _digest(tx: Tx) -> bytes | None:
    row = tx.one(
        "SELECT c.digest FROM sync_collection c JOIN sync_space s ON s.id = c.space"
        " WHERE s.owner = ? AND c.data_type = 'notes'",
        USER,
    )
    return None if row is None else row[0]


TestDevices = Devices.TestCase
TestDevices.settings = settings(
    max_examples=12 * FUZZ,
    stateful_step_count=30,
    # Explaining a failure traces every line, of the server too: it would not end.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
