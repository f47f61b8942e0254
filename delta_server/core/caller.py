"""Whose request it is, and what that one may do."""

import msgspec

NEEDS_PROJECT = (
    "this needs a project's key, or an account's key with the project's id or name in x-tenant-id or ?project_id="
)
_OPENS = {
    "ingest": {"ingest"},
    "read": {"read"},
    "write": {"read", "write", "ingest"},
    "admin": {"read", "write", "ingest", "admin"},
}
"""What each scope may do."""


class Caller(msgspec.Struct, frozen=True):
    """The owner of a key, or who signed in. `project` is None for account keys and people, unless the request chooses
    one of the account's.

    `origins` are the sites a write key may be used on; None for all other keys, which are secrets. A person who is a
    member of the instance (`is_member`) sees only the projects they were added to.
    """

    account: int
    project: int | None
    scopes: frozenset[str]
    key_id: str
    origins: tuple[str, ...] | None = None
    chosen: bool = False
    """The key is an account's or a person's, and `project` the one that the request names beside it."""
    user: int | None = None
    session: int | None = None
    is_member: bool = False

    def may(self, scope: str) -> bool:
        """Whether the key has `scope`, or one that implies it."""
        return any(scope in _OPENS.get(have, ()) for have in self.scopes)
