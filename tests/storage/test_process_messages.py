"""A message is whole or none."""

import io

import pytest

from delta_server.storage import process_messages


@pytest.mark.parametrize("payload", [b"", b"a", b"a" * 70_000])
def test_what_was_written_is_read(payload: bytes) -> None:
    stream = io.BytesIO(process_messages.packed(payload) + process_messages.packed(b"next"))
    assert [process_messages.read(stream) for _ in range(3)] == [payload, b"next", None]


@pytest.mark.parametrize("cut", [1, 3, 5, 8])
def test_one_whose_sender_died_is_none(cut: int) -> None:
    assert process_messages.read(io.BytesIO(process_messages.packed(b"payload")[:-cut])) is None
