"""docs/sync-encryption.md: the values on the page are what its steps give, and the server keeps the record as it is."""

import json
import re
from base64 import b64decode
from pathlib import Path

import httpx
import pytest
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.conftest import Keys, bearer

PAGE = (Path(__file__).parents[3] / "docs" / "sync-encryption.md").read_text(encoding="utf-8")
PASSPHRASE, DATA_KEY, PLAIN = b"correct horse battery staple", bytes(range(32, 64)), b'{"text":"Milk"}'
[_KEY] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
[_RECORD] = re.findall(r"```\n(\S+)\n```", PAGE)


def unwrap(passphrase: bytes, key_id: str) -> bytes:
    said = json.loads(_KEY)
    key = hash_secret_raw(
        passphrase,
        b64decode(said["salt"]),
        time_cost=said["passes"],
        memory_cost=said["memory_kib"],
        parallelism=said["lanes"],
        hash_len=32,
        type=Type.ID,
    )
    wrapped = b64decode(said["wrapped"])
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], b"delta-sync-key-1\0" + key_id.encode())


def opened(envelope: bytes, data_key: bytes, data_type: str, record_id: str) -> bytes:
    version, length = envelope[:2]
    assert (version, envelope[2 : 2 + length]) == (1, b"k1")
    nonce, sealed = envelope[2 + length : 14 + length], envelope[14 + length :]
    place = f"delta-sync-record-1\0{data_type}\0{record_id}".encode()
    return AESGCM(data_key).decrypt(nonce, sealed, place)


def test_the_page_is_right() -> None:
    assert unwrap(PASSPHRASE, "k1") == DATA_KEY
    assert opened(b64decode(_RECORD), DATA_KEY, "notes", "note-1") == PLAIN
    with pytest.raises(InvalidTag):
        opened(b64decode(_RECORD), DATA_KEY, "notes", "note-2")


async def test_the_server_keeps_it_as_it_is_and_logs_none_of_it(
    client: httpx.AsyncClient, keys: Keys, capfd: pytest.CaptureFixture[str]
) -> None:
    change = {"change_id": "1", "record_id": "note-1", "operation": "insert", "encrypted": _RECORD}
    batch = {"device_id": "phone", "batch_id": "1", "changes": [change]}
    await client.post("/v1/sync/notes/delta", json=batch, headers=bearer(keys.write))
    page = (await client.get("/v1/sync/notes/delta", headers=bearer(keys.read))).json()
    assert opened(b64decode(page["changes"][0]["encrypted"]), DATA_KEY, "notes", "note-1") == PLAIN
    written = capfd.readouterr()
    assert "/v1/sync/{data_type}/delta" in written.out
    assert _RECORD not in written.out + written.err
