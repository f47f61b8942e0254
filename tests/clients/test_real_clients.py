"""Clients that people have in their programs already, unchanged but for the host, against a real server: whatever they
sent is there, once."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.clients.conftest import NODE
from tests.server_process import create_key, serving

HERE = Path(__file__).parent
COUNT = 40


class Delta:
    """A running server with a write key for the clients and a project's key to look with."""

    def __init__(self, url: str, write_key: str, key: str) -> None:
        self.url, self.write_key, self._key = url, write_key, key

    def counts(self) -> dict[str, dict[str, int]]:
        """Events by type, and the distinct message ids and values of `i` among them."""
        metrics = ["count", "unique_data.i"]
        found = self.ask("/v1/query", {"metrics": metrics, "groupBy": ["eventType"], "range": "24h"})
        return {row["eventType"]: {name: row[name] for name in metrics} for row in found["rows"]}

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, headers, method=method)
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delta]:
    directory = tmp_path_factory.mktemp("clients")
    key = create_key(directory, "shop")
    write_key = create_key(directory, "shop", write=True)
    with serving(directory, DELTA_LOG_LEVEL="warning") as server:
        yield Delta(server.url, write_key, key)


def send(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=NODE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def each_once(counts: dict[str, dict[str, int]], *types: str) -> None:
    for event_type in types:
        assert counts[event_type] == {"count": COUNT, "unique_data.i": COUNT}, event_type


def test_the_python_clients_of_segment_rudderstack_and_cloudevents(delta: Delta) -> None:
    send(sys.executable, str(HERE / "send.py"), delta.url, delta.write_key, str(COUNT))
    each_once(delta.counts(), "Segment Python", "Rudder Python", "cloud.python")
    user = delta.ask("/v1/users/segment-python")["user"]
    assert user["traits"] == {"plan": "pro"}
    assert user["events"]["by_type"] == {"Segment Python": COUNT, "identify": 1}


def test_the_node_clients_of_segment_rudderstack_and_opentelemetry(delta: Delta, node: str) -> None:
    send(node, "send.js", delta.url, delta.write_key, str(COUNT))
    each_once(delta.counts(), "Segment Node", "Rudder Node", "otlp.node")
    assert delta.ask("/v1/users/segment-node")["user"]["traits"] == {"plan": "pro"}


SECRETS = {
    "github": "a-secret-of-github",
    "stripe": "whsec_of_stripe",
    "standard": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    "svix": "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=",
}


def test_deliveries_signed_by_octokit_stripe_standardwebhooks_and_svix(delta: Delta, node: str) -> None:
    senders = []
    for scheme, secret in SECRETS.items():
        delta.ask("/v1/endpoints", {"name": f"from-{scheme}"})
        verify = {"scheme": "standard" if scheme == "svix" else scheme, "secret": secret}
        path = f"/v1/endpoints/from-{scheme}/inbound-webhook"
        made = delta.ask(path, {"verify": verify}, method="PUT")
        senders.append({"scheme": scheme, "url": delta.url + made["url"], "secret": secret})
    statuses = json.loads(send(node, "deliver.js", json.dumps(senders)))
    assert statuses == {scheme: [200, 200, 401] for scheme in SECRETS}
    for scheme in SECRETS:
        stored = delta.ask(f"/v1/snapshots?endpoint_id=from-{scheme}")["data"]
        assert len(stored) == 1, scheme


def test_deliveries_signed_by_slack(delta: Delta) -> None:
    from slack_sdk.signature import SignatureVerifier

    secret, body = "8f742231b10e8888abcd99yyyzzz85a5", json.dumps({"event_id": "Ev1", "text": "Zürich ✓"}).encode()
    delta.ask("/v1/endpoints", {"name": "from-slack"})
    made = delta.ask(
        "/v1/endpoints/from-slack/inbound-webhook", {"verify": {"scheme": "slack", "secret": secret}}, method="PUT"
    )
    at = str(int(time.time()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
    headers = {
        "content-type": "application/json",
        "x-slack-request-timestamp": at,
        "x-slack-signature": signature or "",
    }

    def deliver(sent: bytes) -> int:
        try:
            with urlopen(Request(delta.url + made["url"], sent, headers), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    assert [deliver(sent) for sent in (body, body, body.replace(b"Ev1", b"Ev2"))] == [200, 200, 401]
    assert len(delta.ask("/v1/snapshots?endpoint_id=from-slack")["data"]) == 1
