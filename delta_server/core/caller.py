"""Whose request it is, and what that one may do."""

import msgspec

from delta_server.core import scopes
from delta_server.core.errors import Forbidden

_WHERE = "in x-tenant-id or, where no events are sent, ?project_id="
_NEEDS_PROJECT = f"this needs a project's key, or an account's key with the project's id or name {_WHERE}"
_NAME_PROJECT = f"this is about a project: name one, by its id or name, {_WHERE}; GET /v1/projects lists yours"


class Caller(msgspec.Struct, frozen=True):
    """The owner of a key, or who signed in. `project` is None for account keys and people, unless the request chooses
    one of the account's.

    `scopes` are all that the key or the role opens (`scopes.opened`).
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
    is_newcomer: bool = False
    """A member where everybody may register, and so have projects of their own."""

    @property
    def actor(self) -> str:
        """As the audit log names it; `key_id` of people begins with `user` already."""
        return self.key_id if self.user is not None else f"key {self.key_id}"

    def without_project(self) -> Forbidden:
        """What a request is refused with that is about a project and names none."""
        return Forbidden(_NEEDS_PROJECT if self.user is None else _NAME_PROJECT)

    def may(self, scope: str) -> bool:
        """Whether the key has `scope`, or one that implies it."""
        return scope in self.scopes

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the caller `may`; it says who can give the scope."""
        if scope in self.scopes:
            return
        wider = " or ".join(scopes.unions_with(scope))
        if self.user is None:
            raise Forbidden(
                f"the key lacks the scope {scope}: use a key that has it, or {wider}; POST /v1/auth/api-keys makes one"
                f" with an admin key, `delta-server key create --scope {scope}` on the machine of the server"
            )
        if self.project is None:
            raise self.without_project()
        raise Forbidden(
            f"your role in the project lacks the scope {scope}, a part of {wider}: an admin of the project can change"
            " it by PUT /v1/projects/{project_id}/members/{user_id}"
        )
