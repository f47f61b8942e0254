"""What is damaged in the indexes of changes is told as damage of the server's, never as the caller's mistake."""

from random import Random
from typing import Any

import httpx
import pytest

from delta_server.app import Application
from delta_server.core.errors import DatabaseFailed
from delta_server.features.deltas import changed_fields
from delta_server.features.deltas.changed_fields import ChangedFields
from delta_server.features.fields import store as fields
from delta_server.storage.database import Tx
from tests.conftest import Keys, bearer, shared
from tests.one_server import app as app
from tests.one_server import client as client
from tests.one_server import clock as clock
from tests.one_server import keys as keys

PATHS = ["/v1/deltas?endpoint=a&path=/price", "/v1/endpoints/a/history?path=/price", "/v1/deltas?endpoint=a"]


def _spoil(tx: Tx, table: str, column: str, blob: bytes) -> None:
    tx.run(f"UPDATE {table} SET {column} = ?", blob)


DAMAGE: list[tuple[str, str, bytes]] = [
    ("delta", "fields", b""),
    ("delta", "fields", b"\x92\x01"),
    ("delta", "fields", b"\x91\x01"),
    ("delta", "fields", b"\x01"),
    ("delta", "fields", b"\xff"),
    ("field_change", "later", b"\x01\x93\x01"),
    ("field_change", "later", b"\x01\x93\x01\x00\xc4\x01\x01"),
    ("field_change", "later", b"\x01\x93\x01\x09\xc4\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
    ("field_change", "later", b"\x02no zstd"),
    ("field_change", "later", b"\x00\x01"),
    ("field_change", "later", b"\x09"),
]


@pytest.mark.parametrize(("table", "column", "blob"), DAMAGE)
@shared
async def test_a_damaged_index(
    app: Application, client: httpx.AsyncClient, keys: Keys, table: str, column: str, blob: bytes
) -> None:
    for price in range(5):
        body: Any = {"price": price, "items": [price]}
        made = await client.post("/v1/snapshots?endpoint=a&include=delta", json=body, headers=bearer(keys.project))
        assert made.status_code == 201, made.text
    await app.services.db.write(_spoil, table, column, blob)
    for path in PATHS:
        answer = await client.get(path, headers=bearer(keys.project))
        assert answer.status_code in (200, 500), answer.text
        if answer.status_code == 500:
            assert answer.json()["type"] == "urn:delta:problem:damaged-data", answer.text
    assert (await client.get("/v1/snapshots?endpoint=a", headers=bearer(keys.project))).status_code == 200


def test_any_byte_that_changed_is_read_or_told() -> None:
    random = Random(7)
    whole = ChangedFields([1, 2, 300, 4], []).encoded()
    chunk = b"\x01" + b"\x93\xcd\x03\xe8\x02\xc4\x06\x01\x02\x03\x00\x00\x01"
    for _ in range(2000):
        for blob in (bytearray(whole), bytearray(chunk)):
            blob[random.randrange(len(blob))] = random.randrange(256)
            try:
                if blob[0] == whole[0]:
                    changed_fields.decoded(bytes(blob))
                else:
                    fields._decoded(0, bytes(blob))
            except DatabaseFailed:
                pass
