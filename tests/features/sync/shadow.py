"""What a server must have, by what it answered: a plain list of the changes it took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.sync import digest
from tests.features.sync.replica import Edit

HISTORY_MS, TOMBSTONES_MS = 30 * times.DAY_MS, 90 * times.DAY_MS


class Taken(msgspec.Struct):
    """A change that was applied."""

    version: int
    device: str
    edit: Edit
    at: int
    superseded_at: int | None = None


class Met(msgspec.Struct):
    """A conflict that is kept: what it met, and the record's version once a choice was made."""

    conflict_id: str
    server: int
    edit: Edit
    version: int | None = None
    chosen_at: int = 0


class Shadow:
    """Of one collection; `newest` is the newest number of its space."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.newest = 0
        self.has_skipped = False
        self.writes = 0
        self.horizon = 0
        self.heads: dict[str, Taken] = {}
        self._changes: dict[tuple[str, str], Taken] = {}
        self._answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self._met: dict[tuple[str, str], Met] = {}

    def elsewhere(self, version: int) -> None:
        """Another collection of the space was changed."""
        self._number(version)
        self.writes += 1

    def answered(
        self, device: str, batch_id: str, edits: Sequence[Edit], answer: Mapping[str, Any], now_ms: int
    ) -> None:
        """Check what a batch was answered, and keep it."""
        results = answer["results"]
        assert [result["change_id"] for result in results] == [edit.change_id for edit in edits]
        kept = self._answers.get((device, batch_id))
        if kept is not None and (results == kept[1] or now_ms - kept[0] < HISTORY_MS):
            assert results == kept[1], "the same batch is answered the same"
            return
        before = self.newest
        for edit, result in zip(edits, results, strict=True):
            getattr(self, f"_{result['status']}")(device, edit, result, now_ms)
        self._answers[device, batch_id] = now_ms, results
        assert self.has_skipped or answer["version"] == self.newest
        self.writes += self.newest != before

    def uploaded(
        self, device: str, edits: Sequence[Edit], results: Sequence[Mapping[str, Any]], now_ms: int
    ) -> None:  # fmt: skip
        """All of it was shown."""
        for edit, result in zip(edits, results, strict=True):
            getattr(self, f"_{result['status']}")(device, edit, result, now_ms)
        self.writes += 1

    def refused(self, edits: Sequence[Edit], results: Sequence[Mapping[str, Any]], now_ms: int) -> None:
        """An atomic batch: none of it was stored."""
        by_id = {edit.change_id: edit for edit in edits}
        times_there = Counter(edit.record_id for edit in edits)
        for result in results:
            if times_there[result["record_id"]] == 1:
                self._conflict("", by_id[result["change_id"]], result, now_ms)

    def expire(self, now_ms: int) -> None:
        old = [taken for taken in self.heads.values() if taken.edit.content is None]
        forgotten = [taken.version for taken in old if taken.at < now_ms - TOMBSTONES_MS]
        self.horizon = max([self.horizon, *forgotten])

    def waiting(self) -> dict[str, Met]:
        return {met.conflict_id: met for met in self._met.values() if met.version is None}

    def chosen(self, conflict_id: str, take: str, version: int, now_ms: int) -> None:
        """By a person, who looked at the record as it is."""
        met = self.waiting()[conflict_id]
        head = self.heads[met.edit.record_id]
        met.version, met.chosen_at = version, now_ms
        if take == "server" or met.edit.content == head.edit.content:
            assert version == head.version
            return
        head.superseded_at = now_ms
        self._number(version)
        self.heads[met.edit.record_id] = Taken(version, "", met.edit, now_ms)
        self.writes += 1

    def after(self, version: int) -> list[tuple[str, int, str | bytes | None]]:
        """What a pull brings, in order; 0 for all."""
        found = [
            (taken.edit.record_id, taken.version, taken.edit.content)
            for taken in self.heads.values()
            if taken.version > version and (taken.edit.content is not None or taken.version > self.horizon)
        ]
        return sorted(found, key=lambda each: each[1])

    def living(self) -> dict[str, tuple[int, str | bytes]]:
        return {id: (version, content) for id, version, content in self.after(0) if content is not None}

    def digest(self) -> bytes:
        found = digest.EMPTY
        for record_id, (_, content) in self.living().items():
            raw = content.encode() if isinstance(content, str) else content
            found = digest.with_change(found, digest.of_record(record_id, digest.checksum_of(raw)))
        return found

    def _number(self, version: int) -> None:
        assert version > self.newest if self.has_skipped else version == self.newest + 1, "numbers without a gap"
        self.newest, self.has_skipped = version, False

    def _applied(self, device: str, edit: Edit, result: Mapping[str, Any], now_ms: int) -> None:
        before, head = self._changes.get((device, edit.change_id)), self.heads.get(edit.record_id)
        assert before is None or (before.superseded_at or now_ms) <= now_ms - HISTORY_MS, "a change is applied once"
        if head is not None and edit.base != head.version:
            assert head.edit.content is not None, "what is deleted stays deleted"
            assert self.policy == "last_write"
            assert result["overwrote"] == head.version
        if head is not None:
            head.superseded_at = now_ms
        self._number(result["version"])
        taken = Taken(result["version"], device, edit, now_ms)
        self.heads[edit.record_id] = self._changes[device, edit.change_id] = taken

    def _duplicate(self, device: str, edit: Edit, result: Mapping[str, Any], now_ms: int) -> None:
        before, head = self._changes.get((device, edit.change_id)), self.heads.get(edit.record_id)
        met = self._met.get((device, edit.change_id))
        if result["version"] in (before and before.version, met and met.version) and result["version"] is not None:
            return
        assert (None if head is None else head.version) == result["version"]
        assert (None if head is None else head.edit.content) == edit.content

    def _conflict(self, device: str, edit: Edit, result: Mapping[str, Any], now_ms: int) -> None:
        head, met = self.heads.get(edit.record_id), self._met.get((device, edit.change_id))
        if met is not None and met.version is None:
            assert (result["conflict_id"], result["version"]) == (met.conflict_id, met.server), "it waits still"
            return
        if head is None:
            assert edit.base
            assert "server" not in result
            return
        assert result.get("server", result)["version"] == head.version
        if edit.patched is not None and "conflict_id" not in result and not self._is_there(edit):
            return
        assert edit.base != head.version
        assert edit.content != head.edit.content
        assert head.edit.content is None or self.policy != "last_write"
        is_kept = bool(device) and self.policy == "manual" and head.edit.content is not None
        assert ("conflict_id" in result) == is_kept
        if is_kept:
            self._met[device, edit.change_id] = Met(result["conflict_id"], head.version, edit)

    def _is_there(self, edit: Edit) -> bool:
        """Whether the version that a patch was made on is here for certain: those before it may be forgotten."""
        head = self.heads.get(edit.record_id)
        return head is not None and head.version == edit.base and isinstance(head.edit.content, str)
