"""What scopes open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.caller import Caller
from delta_server.core.errors import Forbidden
from delta_server.core.scopes import ALL, SINGLES, UNIONS, in_order, opened, unions_with


@pytest.mark.parametrize(
    ("text", "may", "may_not"),
    [
        ("", (), ALL),
        ("root snapshots:root snapshots: :read SNAPSHOTS:READ admin,read", (), ALL),
        ("snapshots:read", ("snapshots:read",), ("snapshots:write", "read", "endpoints:read", "snapshots:readx")),
        ("snapshots:write", ("snapshots:write",), ("snapshots:read", "snapshots:admin", "write")),
        ("snapshots:admin", ("snapshots:admin",), ("snapshots:read", "snapshots:write", "admin")),
        ("events:write", ("events:write", "ingest"), ("events:read", "write")),
        ("ingest", ("events:write", "ingest"), ("events:read", "write")),
        ("read", ("read", "sql:read", "metrics:read"), ("ingest", "events:write", "write", "snapshots:admin")),
        ("write", ("read", "write", "ingest", "snapshots:write"), ("admin", "keys:admin", "snapshots:admin")),
        ("admin", ALL, ("root", "")),
    ],
)
def test_what_scopes_open(text: str, may: tuple[str, ...], may_not: tuple[str, ...]) -> None:
    caller = Caller(1, 1, opened(text), "key")
    assert {scope for scope in may if not caller.may(scope)} == set()
    assert {scope for scope in may_not if caller.may(scope)} == set()


@given(st.lists(st.sampled_from(ALL)))
def test_unions_are_no_more_than_their_parts(scopes: list[str]) -> None:
    found = opened(" ".join(scopes))
    assert set(scopes) <= found
    assert opened(" ".join(in_order(found))) == found == opened(" ".join(found & set(SINGLES)))
    assert {union for union in UNIONS if union in found} == {union for union in UNIONS if UNIONS[union] <= found}
    assert in_order(scopes) == sorted(set(scopes), key=ALL.index)


@pytest.mark.parametrize("scope", SINGLES)
def test_a_refusal_says_what_is_missing_and_who_gives_it(scope: str) -> None:
    for caller, gives in (
        (Caller(1, 1, frozenset(), "key"), f"key create --scope {scope}"),
        (Caller(1, 1, frozenset(), "user 1", user=1), "an admin of the project"),
        (Caller(1, None, frozenset(), "user 1", user=1), "x-tenant-id"),
    ):
        with pytest.raises(Forbidden) as refused:
            caller.require(scope)
        assert gives in refused.value.message
        assert caller.project is None or f"lacks the scope {scope}" in refused.value.message
    Caller(1, 1, frozenset({scope}), "key").require(scope)
    assert unions_with(scope)[-1] == "admin"
