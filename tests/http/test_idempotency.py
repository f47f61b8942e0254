import asyncio
import threading

import httpx
import pytest

from delta_server.app import Application
from delta_server.http import idempotency
from delta_server.storage.idempotency import RETENTION_MS
from tests.conftest import Keys, bearer
from tests.storage.opened import FakeClock


async def make(client: httpx.AsyncClient, name: str, idempotency_key: str | None, **headers: str) -> httpx.Response:
    if idempotency_key is not None:
        headers["idempotency-key"] = idempotency_key
    return await client.post("/v1/sample/made", json={"name": name}, headers=headers)


async def test_the_second_request_gets_the_first_ones_answer(sample_client: httpx.AsyncClient) -> None:
    first, second = await make(sample_client, "a", "k"), await make(sample_client, "a", "k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (await make(sample_client, "b", "k2")).json() != first.json()


async def test_without_a_key_nothing_is_remembered(sample_client: httpx.AsyncClient) -> None:
    assert (await make(sample_client, "a", None)).status_code == 201
    assert (await make(sample_client, "a", None)).status_code == 500  # the sample does not look for its name


async def test_the_key_with_another_body(sample_client: httpx.AsyncClient) -> None:
    await make(sample_client, "a", "k")
    answer = await make(sample_client, "b", "k")
    assert (answer.status_code, answer.json()["code"]) == (422, "CONFLICT")
    assert "new key" in answer.json()["message"]


async def test_keys_are_their_callers_own(sample_client: httpx.AsyncClient, sample_keys: Keys) -> None:
    first = await make(sample_client, "a", "k")
    other = await make(sample_client, "b", "k", **bearer(sample_keys.other))
    assert (other.status_code, other.json() == first.json()) == (201, False)


async def test_many_at_once_have_one_effect(sample_client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(make(sample_client, "a", "k") for _ in range(20)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_a_failed_request_is_not_remembered(sample_client: httpx.AsyncClient) -> None:
    await make(sample_client, "a", None)
    assert (await make(sample_client, "a", "k")).status_code == 500
    assert (await make(sample_client, "b", "k")).status_code == 201


async def test_records_last_a_day(sample_app: Application, sample_client: httpx.AsyncClient, clock: FakeClock) -> None:
    await make(sample_client, "a", "k")
    await make(sample_client, "b", "k2")
    clock.advance(RETENTION_MS)
    assert (await make(sample_client, "c", "k")).status_code == 201
    await idempotency.forget(sample_app.services)
    left = await sample_app.services.db.read(lambda tx: tx.one("SELECT count(*) FROM once"))
    assert left == (1,)
    assert (await make(sample_client, "c", "k")).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("idempotency_key", ["", "a" * 256, "\x7f", "\u00e9", "a\tb"])
async def test_keys_that_are_refused(sample_client: httpx.AsyncClient, idempotency_key: str) -> None:
    headers = {b"idempotency-key": idempotency_key.encode(), b"content-type": b"application/json"}
    answer = await sample_client.post("/v1/sample/made", content=b'{"name":"a"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


async def test_large_bodies_are_hashed_away_from_the_loop(
    sample_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """57 MB held up all other requests for 252 ms."""
    threads: list[tuple[int, bool]] = []
    digest = idempotency._digest

    def watched(*parts: str | bytes) -> bytes:
        threads.append((max(map(len, parts)), threading.current_thread() is threading.main_thread()))
        return digest(*parts)

    monkeypatch.setattr(idempotency, "_digest", watched)
    await make(sample_client, "a" * 200_000, "k")
    await make(sample_client, "a", "l")
    assert [on_the_loop for size, on_the_loop in threads] == [True, False, True, True]
