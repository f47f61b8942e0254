import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import Invalid
from delta_server.core.query import metrics
from delta_server.core.query.plan import Field, Metric

DURATION = Field("duration", "duration", "number")
PRICE = Field("data.price", "data", "json", ("price",))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "is not a known metric: None"),
        (["count"], "is not a known metric"),
        ("", "is not a known metric"),
        ("counts", "(count?)"),
        ("uniq_users", "(unique_users?)"),
        ("unique_user", "(unique_users?)"),
        ("p99.9_duration", "is not a known metric"),
        ("p0_duration", "is not a known metric"),
        ("p100_duration", "is not a known metric"),
        ("median_duration", "is not a known metric"),
        ("avg_source", "source is not a number"),
        ("max_timestamp", "timestamp is not a number"),
        ("avg_data.", "is not a valid field path"),
        ("avg_price", "is not a known field"),
        ("dominant_", "is not a known metric"),
        ("x" * 10_000, "is not a known metric"),
    ],
)
def test_what_is_no_metric_is_refused(name: object, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        metrics.parse(name, at="metrics[1]")
    assert says in caught.value.message
    assert len(caught.value.message) < 700
    assert [error.field for error in caught.value.errors] == ["metrics[1]"]


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("unique_users", Metric("unique_users", "unique", Field("userId", "user_id", "text"))),
        ("p95_duration", Metric("p95_duration", "quantile", DURATION, 0.95)),
        ("p5_data.price", Metric("p5_data.price", "quantile", PRICE, 0.05)),
        ("avg_data.price", Metric("avg_data.price", "avg", PRICE)),
        ("unique_data.price", Metric("unique_data.price", "unique", PRICE)),
        ("dominant_data.price", Metric("dominant_data.price", "mode", PRICE)),
        ("dominant_status", Metric("dominant_status", "mode", Field("status", "status", "text"))),
        ("sum_priority", Metric("sum_priority", "sum", Field("priority", "priority", "number"))),
    ],
)
def test_metrics(name: str, metric: Metric) -> None:
    assert metrics.parse(name, at="x") == metric


def test_all_names_are_metrics() -> None:
    assert [metrics.parse(name, at="x").name for name in metrics.NAMES] == list(metrics.NAMES)


@given(st.one_of(st.text(), st.builds("{}_{}".format, st.sampled_from(["avg", "p9", "unique"]), st.text())))
def test_any_text_is_a_metric_or_invalid(name: str) -> None:
    with contextlib.suppress(Invalid):
        assert metrics.parse(name, at="x").name == name
