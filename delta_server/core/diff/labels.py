"""What people call a record: a short text in it, such as its title or name, which the settings say or which is found.

A key identifies a record, a label is read: `M 6.2 - Greece` says more than `us7000q0pq`. A field is found by looking at
a sample of the records: nearly all have a short text there that few share. Names such as `title` and `name` go first;
any other field is a label only if its texts are nearly unique, look like words, and are no key.
"""

import re
from collections.abc import Sequence
from itertools import islice

import msgspec

from delta_server.core.arrays.key_names import ADDRESS, can_be_key, likeness
from delta_server.core.diff.diff_settings import DiffSettings, Fields, matcher
from delta_server.core.json import pointer, slices
from delta_server.core.json.pieces import LazyElements

SAMPLE = 32
MOST_CHARACTERS = 120
_MOST_BYTES = 4 * MOST_CHARACTERS  # of a text in a sample; longer ones describe, they do not name
_MOST_RECORD_BYTES = 1 << 16
_NEARLY_ALL, _FEW_SHARE, _NEARLY_UNIQUE = 0.9, 0.5, 0.9

_TITLES = ("title", "label", "displayname", "fullname", "headline", "caption", "subject", "name")
_PLACES = ("place", "location", "address", "suburb", "city", "area", "description", "summary", "text")
_TITLE_ENDINGS = ("Name", "Title", "Label", "_name", "_title", "_label")
_TITLE, _LIKE_TITLE, _PLACE, _OTHER = range(4)

_WORD = re.compile(r"[^\W\d_]{2}")
_NO_WORDS = re.compile(r"[a-z][a-z0-9+.-]*://|\d{4}-\d\d-\d\d|[0-9a-f-]{16,}$|\S{40}", re.IGNORECASE)
_decode = msgspec.json.Decoder(str).decode

Elements = Sequence[msgspec.Raw] | LazyElements


class Labels:
    """The labels of the records of one document, by the pattern of the array or map they stand in."""

    def __init__(self, settings: DiffSettings) -> None:
        self._configured = [
            (matcher(pointer.parse_pattern(pattern)), field) for pattern, field in settings.labels.items()
        ]
        self._fields: dict[str, str | None] = {}

    def field(self, pattern: str, records: Elements, key: Fields | None = None) -> str | None:
        """The field with the label: the one the settings name, else the one that was found when the first records at
        `pattern` came."""
        if pattern not in self._fields:
            steps = pointer.parse_pattern(pattern)
            configured = next((field for means, field in self._configured if means(steps)), None)
            self._fields[pattern] = configured or found(records, key)
        return self._fields[pattern]


def of(record: bytes, field: str | None) -> str | None:
    """The label of one record: a text, or a number as it is written; None where there is none. Cut when long."""
    raw = None if field is None else pointer.field_of(record, field)
    if raw is None or raw[0] in b"{[tfn":
        return None
    text = _decode(raw) if raw[0] == slices.QUOTE else raw.decode()
    text = " ".join(text[: 4 * MOST_CHARACTERS].split())
    return (text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…") or None


def found(records: Elements, key: Fields | None = None) -> str | None:
    """The field that names the records best; None where there is none, or where they are no objects."""
    if isinstance(records, LazyElements):
        sample = list(islice(map(bytes, records), SAMPLE))  # to be read in order
    else:
        sample = [bytes(raw) for raw in records[:: -(-len(records) // SAMPLE) or 1]]
    if not sample or any(raw[0] != slices.OPEN_OBJECT or len(raw) > _MOST_RECORD_BYTES for raw in sample):
        return None
    texts = list(map(_texts, sample))
    paths: dict[str, None] = dict.fromkeys(path for flat in texts for path in flat)
    ranked = [(_likeness(path), path in (key or ()), _rank(path), path.count("/"), n) for n, path in enumerate(paths)]
    for (kind, is_key, *_), path in sorted(zip(ranked, paths, strict=True)):
        if _names(kind, [flat[path] for flat in texts if path in flat], len(sample)) and not (
            kind == _OTHER and (is_key or likeness(path) <= ADDRESS)
        ):
            return path
    return None


def _likeness(path: str) -> int:
    if _plain(path) in _TITLES:
        return _TITLE
    if path.endswith(_TITLE_ENDINGS):
        return _LIKE_TITLE
    return _PLACE if _plain(path) in _PLACES else _OTHER


def _rank(path: str) -> int:
    """Among fields as likely."""
    names = (*_TITLES, *_PLACES)
    return names.index(_plain(path)) if _plain(path) in names else len(names)


def _plain(path: str) -> str:
    return path.rpartition("/")[2].lower().replace("_", "").replace("-", "")


def _names(kind: int, texts: list[str], records: int) -> bool:
    """Whether a field with these texts in a sample of so many records is a label."""
    if len(texts) < records * _NEARLY_ALL:
        return False
    wordy = sum(1 for text in texts if _WORD.search(text) and not _NO_WORDS.match(text))
    distinct = len(set(texts))
    if kind == _OTHER:
        return wordy >= len(texts) * _NEARLY_ALL and distinct >= len(texts) * _NEARLY_UNIQUE
    return wordy * 2 >= len(texts) and distinct >= len(texts) * _FEW_SHARE


def _texts(record: bytes) -> dict[str, str]:
    """The short texts of a record, up to two objects deep, by path."""
    found: dict[str, bytes] = {}
    for name, member in slices.members(record).items():
        raw, step = bytes(member), pointer.escape(name)
        if raw[0] == slices.OPEN_OBJECT:
            found.update((f"{step}/{pointer.escape(n)}", bytes(v)) for n, v in slices.members(raw).items())
        else:
            found[step] = raw
    return {
        path: _decode(raw)
        for path, raw in found.items()
        if raw[0] == slices.QUOTE and 2 < len(raw) <= _MOST_BYTES and can_be_key(path)
    }
