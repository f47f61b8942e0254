"""Sends COUNT events with each of the clients, as their own documentation says, changed in nothing but the host.

python send.py URL WRITE_KEY COUNT
"""

import sys
from typing import Any

import requests
import rudderstack.analytics as rudder
import segment.analytics as segment
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent


def main(url: str, write_key: str, count: int) -> None:
    problems: list[Any] = []
    segment.write_key, segment.host, segment.on_error = write_key, url, lambda *said: problems.append(said)
    segment.identify("segment-python", {"plan": "pro"})
    rudder.write_key, rudder.dataPlaneUrl, rudder.on_error = write_key, url, lambda *said: problems.append(said)
    for i in range(count):
        segment.track("segment-python", "Segment Python", {"i": i})
        rudder.track("rudder-python", "Rudder Python", {"i": i})
    segment.shutdown()
    rudder.shutdown()
    for i in range(count):
        attributes = {"type": "cloud.python", "source": "/test", "id": str(i), "specversion": "1.0"}
        event = CloudEvent({**attributes, "subject": "cloud-python"}, {"i": i})
        message = to_structured_event(event) if i % 2 else to_binary_event(event)
        answer = requests.post(
            f"{url}/v1/events",
            headers={**message.headers, "Authorization": f"Bearer {write_key}"},
            data=message.body,
            timeout=30,
        )
        answer.raise_for_status()
    if problems:
        raise SystemExit(f"the clients report {problems}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
