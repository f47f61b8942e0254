"""Secrets of features, sealed with the key of the data directory."""

from pathlib import Path

import pytest

from delta_server.core.sealing import Unreadable
from delta_server.storage import key_file
from delta_server.storage.vault import Vault


def test_what_was_sealed_is_read_again_by_whoever_has_the_key(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal(b"hush", bound_to="polling of endpoint 7")
    assert b"hush" not in sealed
    assert Vault(tmp_path).unseal(sealed, bound_to="polling of endpoint 7") == b"hush"


def test_for_something_else_or_with_another_key_it_is_unreadable(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal(b"hush", bound_to="polling of endpoint 7")
    with pytest.raises(Unreadable):
        Vault(tmp_path).unseal(sealed, bound_to="polling of endpoint 8")
    (tmp_path / key_file.NAME).unlink()
    with pytest.raises(Unreadable):
        Vault(tmp_path).unseal(sealed, bound_to="polling of endpoint 7")


def test_equal_secrets_are_sealed_to_different_bytes(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    assert vault.seal(b"hush", bound_to="a") != vault.seal(b"hush", bound_to="a")
