"""What a test of a webhook says has the members of a real message of that type."""

from typing import Any

import pytest

from delta_server.core.errors import Quota
from delta_server.core.webhooks import kinds, samples, words
from delta_server.features.alerts.raising import AlertHappened, ShownAlert
from delta_server.features.alerts.sending import DigestHappened, SaidDigest, SaidLine
from delta_server.features.anomalies.happenings import AnomalyFound
from delta_server.features.anomalies.schemas import Anomaly
from delta_server.features.polls.happenings import PollHappened, ShownPoll
from delta_server.features.schemas.happenings import SchemaChanged, ShownSchemaChange

SHAPES: dict[str, tuple[Any, str, Any]] = {
    "alert.raised": (AlertHappened, "alert", ShownAlert),
    "alert.cleared": (AlertHappened, "alert", ShownAlert),
    "alert.digest": (DigestHappened, "digest", SaidDigest),
    "anomaly.found": (AnomalyFound, "anomaly", Anomaly),
    "schema.changed": (SchemaChanged, "schema", ShownSchemaChange),
    "poll.failed": (PollHappened, "poll", ShownPoll),
    "poll.recovered": (PollHappened, "poll", ShownPoll),
}


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_each_type_has_words(kind: str) -> None:
    assert words.of(kind, samples.sample(kind)).title


@pytest.mark.parametrize("kind", SHAPES)
def test_members(kind: str) -> None:
    sample, (whole, name, part) = samples.sample(kind), SHAPES[kind]
    assert (set(sample), set(sample[name])) == (set(whole.__struct_encode_fields__), set(part.__struct_encode_fields__))


def test_members_of_parts() -> None:
    line = samples.sample("alert.digest")["digest"]["lines"][0]
    assert set(line) == set(SaidLine.__struct_encode_fields__)
    assert set(samples.sample("quota.exceeded")["quota"]) == set(Quota.__struct_encode_fields__)
