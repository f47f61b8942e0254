"""A device of the tests: what it holds, what it has to push, and where it is. It knows nothing of the network."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Edit(msgspec.Struct, frozen=True):
    """A change as its device means it. `content` is JSON text, bytes that were encrypted, or None for a deletion. With
    `patched`, the content of the version `base`, it is sent as a patch of that."""

    change_id: str
    record_id: str
    content: str | bytes | None
    base: int | None
    at: str
    patched: str | None = None

    def line(self) -> dict[str, Any]:
        """Of an upload."""
        sent = {name: value for name, value in self.wire().items() if name != "change_id"}
        if sent["operation"] != "delete":
            del sent["operation"]
        return {"data_type": "notes", **sent}

    def wire(self) -> dict[str, Any]:
        sent: dict[str, Any] = {"change_id": self.change_id, "record_id": self.record_id, "updated_at": self.at}
        sent["operation"] = "delete" if self.content is None else "update"
        if self.patched is not None and self.content is not None:
            test = {"op": "test", "path": "", "value": json.loads(self.patched)}
            sent["patch"] = [test, {"op": "replace", "path": "", "value": json.loads(self.content)}]
        elif isinstance(self.content, bytes):
            sent["encrypted"] = base64.b64encode(self.content).decode()
        elif self.content is not None:
            sent["data"] = json.loads(self.content)
        return sent if self.base is None else {**sent, "base_version": self.base}


def content_of(record: Mapping[str, Any]) -> str | bytes | None:
    if record["operation"] == "delete":
        return None
    return base64.b64decode(record["encrypted"]) if "encrypted" in record else json.dumps(record["data"])


class Replica:
    def __init__(self, device_id: str, *, leaves_out_own: bool) -> None:
        self.device_id = device_id
        self.leaves_out_own = leaves_out_own
        self.records: dict[str, tuple[int, str | bytes | None]] = {}
        self.outbox: list[Edit] = []
        self.unanswered: dict[str, list[Edit]] = {}
        self.cursor = ""
        self._seen: set[str] | None = set()
        self._made = 0

    def name(self) -> str:
        """For a change or a batch, never used before."""
        self._made += 1
        return f"{self.device_id}-{self._made}"

    def edit(self, record_id: str, content: str | bytes | None, at: str, *, knows: bool, patches: bool) -> None:
        version, held = self.records.get(record_id, (None, None))
        base = version if knows else None
        patched = held if base and patches and isinstance(held, str) and isinstance(content, str) else None
        self.outbox.append(Edit(self.name(), record_id, content, base, at, patched))

    def line(self, record_id: str, content: str | bytes | None, at: str) -> Edit:
        """For an upload of what is held."""
        return Edit(self.name(), record_id, content, self.records.get(record_id, (None, None))[0], at)

    def next_batch(self, most: int) -> str | None:
        """The name of a batch of edits that are in none yet."""
        sent = {edit.change_id for edits in self.unanswered.values() for edit in edits}
        edits = [edit for edit in self.outbox if edit.change_id not in sent][:most]
        return self.as_batch(edits) if edits else None

    def as_batch(self, edits: Sequence[Edit]) -> str:
        batch_id = self.name()
        self.unanswered[batch_id] = list(edits)
        return batch_id

    def cut(self, batch_id: str) -> list[str]:
        """In two, under new names."""
        edits = self.unanswered.pop(batch_id)
        return [self.as_batch(part) for part in (edits[: len(edits) // 2], edits[len(edits) // 2 :]) if part]

    def answered(self, batch_id: str, edits: Sequence[Edit], results: Sequence[Mapping[str, Any]]) -> None:
        """What is in no result was refused with the others, and is pushed again."""
        self.unanswered.pop(batch_id, None)
        by_id = {edit.change_id: edit for edit in edits}
        for result in results:
            edit = by_id[result["change_id"]]
            self.outbox = [each for each in self.outbox if each.change_id != edit.change_id]
            if result["status"] in ("applied", "duplicate"):
                self._hold(edit.record_id, result["version"], edit.content)
            elif "server" in result:
                self._hold(edit.record_id, result["server"]["version"], content_of(result["server"]))

    def _hold(self, record_id: str, version: int | None, content: str | bytes | None) -> None:
        if version is not None and version > self.records.get(record_id, (0, None))[0]:
            self.records[record_id] = version, content

    def query(self, limit: int) -> dict[str, Any]:
        own = {"exclude_device": self.device_id} if self.leaves_out_own else {}
        cursor = {"cursor": self.cursor} if self.cursor else {}
        return {"limit": limit, "device_id": self.device_id, **own, **cursor}

    def pulled(self, page: Mapping[str, Any]) -> None:
        for record in page["changes"]:
            id, version = record["record_id"], record["version"]
            if self._seen is not None:
                self._seen.add(id)
                if self.records.get(id, (0, None))[0] <= page["until"]:  # of before a restore, maybe
                    self.records.pop(id, None)
            self._hold(id, version, content_of(record))
        self.cursor = page["next_cursor"]
        if self._seen is not None and not page["has_more"]:
            self.records = {
                id: held for id, held in self.records.items() if id in self._seen or held[0] > page["until"]
            }
            self._seen = None

    def resync(self) -> None:
        self.cursor, self._seen = "", set()

    def living(self) -> dict[str, tuple[int, str | bytes]]:
        return {id: (version, content) for id, (version, content) in self.records.items() if content is not None}
