"""Which fields of an element may be its key, judged by their names: `id`, `WebId`, `code`, `url`, `name`, any other."""

from functools import lru_cache

from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import pointer

IDENTIFIER, LIKE_IDENTIFIER, CODE, ADDRESS, NAME, OTHER = range(6)
"""The likeness of a name: `id`; ends like one; a code or key, which may be a value as well (`code: 404`); an address;
a name; anything else."""

_ID_NAMES = ("id", "_id", "uid", "uuid", "guid", "uniqueid", "unique_id", "slug", "sku", "isbn", "ean")
_ID_ENDINGS = ("Id", "ID", "_id", "-id", "Uid", "UUID", "uuid", "Guid", "GUID")
_CODE_NAMES, _CODE_ENDINGS = ("key", "code"), ("_key", "Key", "_code", "Code")
_ADDRESS_NAMES = ("url", "uri", "href", "link", "permalink", "email", "login", "username")
_NAMES = ("name", "symbol", "path")
_RESERVED = frozenset('[]=,"\\')  # by the syntax of steps by key, see core/json/pointer.py


@lru_cache(maxsize=4096)
def likeness(path: str) -> int:
    """How much the last name of a field's path looks like an identifier's; the less, the more."""
    name = path.rpartition("/")[2]
    lower = name.lower()
    if lower in _ID_NAMES:
        return IDENTIFIER
    if name.endswith(_ID_ENDINGS):
        return LIKE_IDENTIFIER
    if lower in _CODE_NAMES or name.endswith(_CODE_ENDINGS):
        return CODE
    if lower in _ADDRESS_NAMES:
        return ADDRESS
    return NAME if lower in _NAMES else OTHER


@lru_cache(maxsize=4096)
def can_be_key(path: str) -> bool:
    """Whether a step by key can say the field's path."""
    return path.isprintable() and _RESERVED.isdisjoint(path) and all(path.split("/"))


def is_ignored(path: str, rules: Rules | None) -> bool:
    """Whether the field at `path` in an element is left out of the comparison; `rules` are those at the element."""
    if rules is None or not rules.ignores_below:
        return False
    at: Rules | None = rules
    for name in pointer.member_names(path):
        at = at.member(name) if at else None
        if at is not None and at.ignored:
            return True
    return False


def is_ignored_key(fields: Fields, rules: Rules | None) -> bool:
    return any(is_ignored(field, rules) for field in fields)
