"""A configuration that is only tried: what would be stored, which of its fields look like noise, what to suggest."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from delta_server.core import noise
from delta_server.core.arrays import array_keys
from delta_server.core.json import pointer, slices
from delta_server.core.noise import FieldNoise
from delta_server.core.paging import Paging
from delta_server.core.polling.next_pages import paging_of

Conditional: TypeAlias = Literal["etag", "last_modified", "none"]
SHOWN_BYTES = 2 << 20
"""Of a document that is answered whole."""
_LONGEST_JUDGED = 8 << 20
_KEYS_DEPTH = 2
_MAX_AGE = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)=([0-9]{1,9})", re.IGNORECASE)
_INTERVALS = {"5m": 300, "15m": 900, "1h": 3600, "6h": 21_600, "1d": 86_400}


class Judged(msgspec.Struct, frozen=True):
    """`fields` are those of the document, `source_fields` of the whole answer where that is another; `keys` by the
    patterns of its arrays."""

    fields: list[FieldNoise]
    source_fields: list[FieldNoise] | None
    keys: dict[str, list[str]]


class Suggested(msgspec.Struct, frozen=True):
    """`paging` is None where the answer names no next page."""

    name: str
    interval: str
    paging: Paging | None


def judged(results: tuple[bytes, bytes], sources: tuple[bytes, bytes] | None) -> Judged:
    """Of two answers, the earlier first. What is very large is not looked into."""
    if max(map(len, results + (sources or ()))) > _LONGEST_JUDGED:
        return Judged([], None, {})
    return Judged(noise.fields(*results), None if sources is None else noise.fields(*sources), keys_of(results[1]))


def keys_of(document: bytes) -> dict[str, list[str]]:
    """Of the arrays that are not deep in it, the fields that identify their elements."""
    found: dict[str, list[str]] = {}
    waiting = [("", slices.trimmed(document), 0)]
    while waiting:
        place, raw, depth = waiting.pop()
        if raw[:1] == b"[":
            fields = array_keys.of_array(raw)
            if fields is not None:
                found[place] = list(fields)
        elif raw[:1] == b"{" and depth < _KEYS_DEPTH:
            waiting += [
                (f"{place}/{pointer.escape(name)}", bytes(value), depth + 1)
                for name, value in slices.members(raw).items()
            ]
    return found


def name_of(url: str) -> str:
    """A name from the address."""
    host, _, rest = url.partition("://")[2].partition("/")
    host = host.partition(":")[0]
    path = rest.partition("?")[0].strip("/")
    return (f"{host}/{path}" if path else host)[:200]


def suggested(url: str, headers: Mapping[str, str], source: bytes, *, paged: bool) -> Suggested:
    """A name, as often as the source says that its answers change, and, where it is not `paged` already, how more pages
    of it are found."""
    match = _MAX_AGE.search(headers.get("cache-control", ""))
    fresh_s = int(match[1]) if match else 0
    interval = next((name for name, seconds in _INTERVALS.items() if seconds >= fresh_s), "1d")
    return Suggested(name_of(url), interval, None if paged else paging_of(source, headers.get("link", "")))
