"""Writing goes on beside what is damaged; a request that fills hundreds of frames keeps their chains short."""

import json

import msgspec
import pytest

from delta_server.core.errors import DatabaseFailed
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import service
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.contents import contents
from delta_server.storage.idempotency import IdempotencyKey
from tests.features.history.timelines import Version, endpoint_named, fill
from tests.storage.contents.opened import fresh_cache


def document(number: int) -> bytes:
    return json.dumps({"n": number, "same": "same " * 20}).encode()


async def damaged_head(svc: Services, endpoint: EndpointRef) -> Services:
    """What a server that starts then has."""
    head = svc.db.peek(contents.head, endpoint.id)
    assert head is not None
    await svc.db.write(lambda tx: tx.run("UPDATE frame SET data = zeroblob(9) WHERE content = ?", head.id))
    return msgspec.structs.replace(svc, contents=fresh_cache(svc.contents))


async def append(svc: Services, endpoint: EndpointRef, *versions: Version) -> list[bytes]:
    new_snapshots = [NewSnapshot(endpoint, version.body, version.captured_at) for version in versions]
    stored = (await service.create_snapshots(svc, endpoint.project, new_snapshots, IdempotencyKey.none())).contents
    cold = msgspec.structs.replace(svc, contents=fresh_cache(svc.contents))
    return [await contents.read(cold.contents, *content) for content in stored]


async def test_an_endpoint_with_a_damaged_head_is_written_to(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(n, document(n)) for n in range(5)])
    services = await damaged_head(services, endpoint)
    assert await append(services, endpoint, Version(10, document(10))) == [document(10)]
    more = [Version(n, document(n)) for n in (11, 12)]
    assert await append(services, endpoint, *more) == [version.body for version in more]


async def test_only_a_cut_through_what_is_damaged_needs_it(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(at, document(1)) for at in (10, 30)])
    services = await damaged_head(services, endpoint)
    with pytest.raises(DatabaseFailed, match="damaged"):
        await append(services, endpoint, Version(20, document(2)))
    assert await append(services, endpoint, Version(5, document(3)), Version(40, document(4)))


async def test_a_request_of_hundreds_keeps_the_chains_short(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await append(services, endpoint, *(Version(n, document(n)) for n in range(300)))
    await append(services, endpoint, *(Version(n, document(n)) for n in range(300, 600)))
    found = services.db.peek(lambda tx: tx.one("SELECT max(depth), sum(base IS NULL) FROM frame"))
    assert found == (256, 3)


async def test_cutting_one_run_again_and_again_keeps_the_chain_short(services: Services) -> None:
    endpoint = await endpoint_named(services, "e")
    await fill(services, endpoint, [Version(at, document(1)) for at in (0, 10_000)])
    for at in range(1, 300):
        await append(services, endpoint, Version(at * 10, document(2)), Version(at * 10 + 5, document(1)))
    longest = services.db.peek(lambda tx: tx.one("SELECT max(depth) FROM frame"))
    assert longest is not None
    assert longest[0] <= 256
