import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from delta_server.core.errors import Unavailable
from delta_server.storage import key_file
from delta_server.storage.key_file import NAME


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    key = key_file.load(tmp_path, 32)
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    (tmp_path / NAME).chmod(0o644)  # as an archive brought it back
    assert key_file.load(tmp_path, 32) == key
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_threads_that_ask_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: key_file.load(tmp_path, 32), range(32)))) == 1


def test_half_a_draft_of_a_crash_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "delta.new").write_bytes(b"half")
    assert len(key_file.load(tmp_path, 32)) == 32
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_link_that_leads_nowhere_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    key_file.load(tmp_path, 32)
    assert not (tmp_path / NAME).is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(Unavailable, match="damaged"):
        key_file.load(tmp_path, 32)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(Unavailable, match="cannot be used"):
        key_file.load(tmp_path, 32)
