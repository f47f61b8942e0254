"""`kill -9` on the real server in the middle of a thousand deliveries: each arrives, with the id and the body that it
had, and those about an endpoint in their order."""

import re
from collections import defaultdict
from pathlib import Path

import httpx

from tests.features.webhooks.receiver import Received, Receiver, receiving
from tests.server_process import run, serving

ENDPOINTS, EACH = 10, 100
KILLED_AFTER = (150, 500)
ENV = {"DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8", "DELTA_LOG_LEVEL": "error"}


async def test_each_delivery_arrives_in_order_with_its_id(tmp_path: Path) -> None:
    made = run(tmp_path, "key", "create", "--project", "p", "--scope", "admin").stdout
    key = re.search(r"dk_proj_\w+", made)
    assert key
    async with receiving() as receiver:
        with serving(tmp_path, **ENV) as server:
            headers = {"authorization": f"Bearer {key[0]}"}
            async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
                await _prepare(client, receiver)
            await receiver.wait_for(KILLED_AFTER[0])
            server.process.kill()
        with serving(tmp_path, **ENV) as server:
            await receiver.wait_for(KILLED_AFTER[1])
            server.process.kill()
        with serving(tmp_path, **ENV):
            while len({each.id for each in receiver.received}) < ENDPOINTS * EACH:
                await receiver.wait_for(len(receiver.received) + 1)
    _check(receiver.received)


async def _prepare(client: httpx.AsyncClient, receiver: Receiver) -> None:
    webhook = {"name": "w", "url": receiver.url, "events": ["snapshot.created"]}
    assert (await client.post("/v1/webhooks", json=webhook)).status_code == 201
    for endpoint in range(ENDPOINTS):
        snapshots = [{"endpoint": f"e{endpoint}", "data": {"n": "x" * number}} for number in range(EACH)]
        answer = await client.post("/v1/snapshots/batch", json={"snapshots": snapshots})
        assert answer.status_code < 300, answer.text


def _check(received: list[Received]) -> None:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    first_seen: dict[str, list[int]] = defaultdict(list)
    for each in received:
        if each.id not in bodies:
            data = each.message["data"]
            first_seen[data["endpoint"]["name"]].append(data["snapshot"]["size_bytes"])
        bodies[each.id].add(each.body)
    assert len(bodies) == ENDPOINTS * EACH
    assert all(len(same) == 1 for same in bodies.values())
    assert len(received) < 1.5 * len(bodies)
    for sizes in first_seen.values():
        assert sizes == sorted(sizes)
