"""The server's own hasher, which other tests go without."""

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from delta_server.core import passwords
from tests.cheap_passwords import SERVERS_HASHER, SERVERS_NOBODYS


@pytest.fixture(autouse=True)
def as_in_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", SERVERS_HASHER)


def test_a_hash_costs_what_owasp_says_and_nobodys_no_less() -> None:
    made = passwords.hashed("correct horse", b"s" * passwords.SALT_BYTES)
    for hash in (made, SERVERS_NOBODYS):
        told = extract_parameters(hash)
        assert (told.type, told.memory_cost, told.time_cost, told.parallelism) == (Type.ID, 19 * 1024, 2, 1)
    assert passwords.hashed("", bytes(passwords.SALT_BYTES)) == SERVERS_NOBODYS


def test_a_password_matches_its_own_hash_alone() -> None:
    made = passwords.hashed("correct horse", b"s" * passwords.SALT_BYTES)
    assert passwords.matches(made, "correct horse")
    assert not passwords.matches(made, "correct horsE")
    assert not passwords.matches("no hash", "correct horse")
