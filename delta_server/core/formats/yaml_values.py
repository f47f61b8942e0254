"""YAML as JSON values, by the core schema of YAML 1.2: `yes`, `NO`, `12:30` and `2026-05-01` are strings, `014` is 14.

libyaml gives events, and values are made here: no tag makes an object, an alias counts as often as it is used (a
hundred lines can stand for a billion), and numbers keep their digits. `<<` merges. One document is its value, several
are an array of them. Names of members are their texts; of equal ones the last counts.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import yaml

from delta_server.core.formats.bounds import Count, NotReadable

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,3000}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,9})?", re.ASCII)
_BASES = {"0o": 8, "0x": 16}
_MERGE = "<<"
_STRING_TAGS = {"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"}


class _Open(msgspec.Struct):
    """A sequence or mapping that is being read; `key` is of the member whose value comes next."""

    value: Any
    anchor: str | None
    began: int
    key: str | None = None
    merged: dict[str, Any] = msgspec.field(default_factory=dict)


class _Anchored(msgspec.Struct):
    value: Any
    size: int


def read(text: str) -> Any:
    """Raises NotReadable."""
    try:
        documents = list(_Reader().documents(yaml.parse(text, Loader=yaml.CSafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise NotReadable(f"the YAML cannot be read: {error.problem or 'it is malformed'}{place}") from None
    except yaml.YAMLError:
        raise NotReadable("the YAML has characters that YAML does not allow") from None
    return documents[0] if len(documents) == 1 else documents or None


class _Reader:
    def __init__(self) -> None:
        self._size = 0
        self._count = Count("YAML")
        self._anchors: dict[str, _Anchored] = {}
        self._open: list[_Open] = []
        self._document: Any = None

    def documents(self, events: Iterator[yaml.Event]) -> Iterator[Any]:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors, self._document = {}, None
            elif isinstance(event, yaml.DocumentEndEvent):
                yield self._document
            else:
                self._take(event)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._grow(1 + len(event.value) // 8)
            self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._begin([] if isinstance(event, yaml.SequenceStartEvent) else {}, event.anchor)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor)

    def _grow(self, size: int) -> None:
        self._size += size
        self._count.add(size)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        began = self._size - 1 - len(event.value) // 8
        if self._wants_key():
            self._open[-1].key = event.value
            value: Any = event.value
        else:
            value = _resolved(event.value) if _is_plain(event) else event.value
            self._place(value)
        self._name(event.anchor, value, began)

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _begin(self, value: Any, anchor: str | None) -> None:
        if self._wants_key():
            raise NotReadable("the YAML has a sequence or mapping for a key, which JSON cannot have")
        self._grow(1)
        self._open.append(_Open(value, anchor, self._size - 1))
        self._count.check_depth(len(self._open))

    def _end(self) -> None:
        ended = self._open.pop()
        if isinstance(ended.value, dict):
            ended.value = {**ended.merged, **ended.value}
        self._name(ended.anchor, ended.value, ended.began)
        self._place(ended.value)

    def _alias(self, anchor: str) -> None:
        if anchor not in self._anchors:
            raise NotReadable(f"the YAML has an alias *{anchor[:40]} without its anchor, or within it")
        found = self._anchors[anchor]
        self._grow(found.size)
        if not self._wants_key():
            self._place(found.value)
        elif isinstance(found.value, str):
            self._open[-1].key = found.value
        else:
            raise NotReadable("the YAML has an alias for a key that is not a string")

    def _name(self, anchor: str | None, value: Any, began: int) -> None:
        if anchor:
            self._anchors[anchor] = _Anchored(value, self._size - began)

    def _place(self, value: Any) -> None:
        if not self._open:
            self._document = value
            return
        at = self._open[-1]
        if isinstance(at.value, list):
            at.value.append(value)
        elif at.key == _MERGE and _is_mergeable(value):
            for each in reversed(value if isinstance(value, list) else [value]):
                at.merged.update(each)
            at.key = None
        else:
            at.value[at.key] = value
            at.key = None


def _is_mergeable(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(each, dict) for each in value))


def _is_plain(event: yaml.ScalarEvent) -> bool:
    """Without quotes, and without a tag that makes it a string."""
    return event.tag not in _STRING_TAGS if event.tag else bool(event.implicit[0])


def _resolved(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        base = _BASES.get(text[:2], 10)
        return int(text[2:], base) if base != 10 else int(text)
    if _FLOAT.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    return text
