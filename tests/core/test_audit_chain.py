"""The chain: whatever is done to rows without rehashing them is found, and where."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import audit_chain
from delta_server.core.audit_chain import GENESIS, Entry, Head, Row

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ENTRY = Entry(1, 1_700_000_000_000, "key a", "203.0.113.7", "r1", "key.revoke", None, "key b", "Käse", "ok", 1, "{}")


def chain(count: int) -> list[Row]:
    rows: list[Row] = []
    for seq in range(1, count + 1):
        entry = msgspec.structs.replace(ENTRY, seq=seq, request_id=f"r{seq}")
        rows.append(Row(entry, audit_chain.link(rows[-1].hash if rows else GENESIS, entry)))
    return rows


def test_anybody_can_compute_a_hash_from_the_description() -> None:
    """With nothing of ours: the standard library's JSON, without white space and with UTF-8 as it is."""
    text = json.dumps(list(msgspec.structs.astuple(ENTRY)), separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(GENESIS + text.encode()).digest() == audit_chain.link(GENESIS, ENTRY)


@given(st.sampled_from([name for name in Entry.__struct_fields__ if isinstance(getattr(ENTRY, name), str)]), texts)
def test_every_field_is_covered(field: str, text: str) -> None:
    changed = msgspec.structs.replace(ENTRY, **{field: text})
    assert (audit_chain.link(GENESIS, changed) == audit_chain.link(GENESIS, ENTRY)) == (getattr(ENTRY, field) == text)


def test_a_whole_chain_has_no_fault() -> None:
    rows = chain(5)
    assert audit_chain.first_fault(0, GENESIS, rows) is None
    assert audit_chain.first_fault(2, rows[1].hash, rows[2:]) is None


def altered(rows: list[Row]) -> list[Row]:
    return [
        *rows[:2],
        msgspec.structs.replace(rows[2], entry=msgspec.structs.replace(rows[2].entry, actor="x")),
        rows[3],
    ]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (altered, "row 3 is not what was written"),
        (lambda rows: [rows[0], *rows[2:]], "row 2 is gone"),
        (lambda rows: [rows[0], rows[3]], "rows 2 to 3 are gone"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "row 1 is gone"),
        (lambda rows: [rows[0], rows[0], *rows[1:]], "row 1 was added"),
        (
            lambda rows: [msgspec.structs.replace(rows[0], hash=rows[1].hash), *rows[1:]],
            "row 1 is not what was written",
        ),
    ],
    ids=["altered", "removed", "two removed", "reordered", "doubled", "another hash"],
)
def test_faults_are_named(changed: object, says: str) -> None:
    assert callable(changed)
    assert (audit_chain.first_fault(0, GENESIS, changed(chain(4))) or "").startswith(says)


def test_the_signature_covers_all_of_the_head_and_its_account() -> None:
    head = Head(seq=5, hash=b"h" * 32, cut_seq=2, cut_hash=b"c" * 32)
    others = [
        audit_chain.signed_bytes(2, head),
        *(
            audit_chain.signed_bytes(1, msgspec.structs.replace(head, **change))
            for change in ({"seq": 6}, {"hash": b"x" * 32}, {"cut_seq": 3}, {"cut_hash": b"x" * 32})
        ),
    ]
    assert audit_chain.signed_bytes(1, head) not in others
    assert len(set(others)) == len(others)
