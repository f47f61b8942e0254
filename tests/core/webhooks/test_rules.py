"""When a delivery is tried again, which types and filters choose what, and what is masked."""

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.webhooks import filters, kinds, masking, messages, schedule, settings
from delta_server.core.webhooks.filters import Change, ChangedField, Filter, Subject


def test_ten_attempts_in_three_days() -> None:
    delays = [schedule.delay_ms(schedule.RETRIES_S, failures, 0.5) for failures in range(1, 11)]
    assert delays[-1] is None
    assert [round((delay or 0) / 1000) for delay in delays[:3]] == [5, 300, 1800]
    assert round(sum(delay or 0 for delay in delays) / 3_600_000, 1) == 75.6
    assert [schedule.delay_ms((100,), 1, chance) for chance in (0, 0.999999)] == [80_000, 119_999]


@pytest.mark.parametrize(
    ("status", "text", "wanted"),
    [
        (503, "120", 120),
        (429, " 7 ", 7),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 - 784_111_700),
        (503, "Sun, 06 Nov 1994 08:00:00 GMT", 0),
        (503, "soon", None),
        (503, "-5", None),
        (503, None, None),
        (500, "120", None),
        (301, "120", None),
    ],
)
def test_retry_after(status: int, text: str | None, wanted: int | None) -> None:
    assert schedule.retry_after_s(status, text, now_s=784_111_700) == wanted


def test_a_receiver_may_put_it_off_and_not_for_ever() -> None:
    assert schedule.delay_ms((5,), 1, 0.5, retry_after_s=600) == 600_000
    assert schedule.delay_ms((5,), 1, 0.5, retry_after_s=1) == 5_000
    assert schedule.delay_ms((5,), 1, 0.5, retry_after_s=10**8) == 86_400_000


def test_what_holds_later_ones_up() -> None:
    assert all(schedule.holds_up(status) for status in (None, 301, 401, 404, 410, 429, 500, 503))
    assert not any(schedule.holds_up(status) for status in (400, 409, 413, 415, 422))
    assert [status for status in (199, 200, 204, 299, 300, 404) if schedule.is_success(status)] == [200, 204, 299]


@pytest.mark.parametrize(
    ("kind", "patterns", "wanted"),
    [
        ("delta.created", ["delta.created"], True),
        ("delta.created", ["delta.*"], True),
        ("delta.created", ["*"], True),
        ("delta.created", ["snapshot.*", "endpoint.created"], False),
        ("snapshot.unchanged", ["*"], False),
        ("snapshot.unchanged", ["snapshot.*"], False),
        ("snapshot.unchanged", ["snapshot.unchanged"], True),
        ("field.changed", ["*"], False),
    ],
)
def test_wildcards(kind: str, patterns: list[str], wanted: bool) -> None:
    assert kinds.is_one_of(kind, patterns) is wanted


@pytest.mark.parametrize("patterns", [[], ["delta"], ["delta.*", "weather.*"], ["*.created"], ["*"] * 21])
def test_types_that_there_are_not(patterns: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        kinds.check(patterns)
    assert refused.value.errors[0].field.startswith("events")


PRICES = Subject(
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "GET /prices",
    Change(3, 0.9, [ChangedField("/items/*/price", 2), ChangedField("/updated", 1)]),
)


@pytest.mark.parametrize(
    ("filter", "wanted"),
    [
        (Filter(), True),
        (Filter(endpoints=("GET /prices",)), True),
        (Filter(endpoints=("01890a5d-ac96-774b-bcce-b302099a8057",)), True),
        (Filter(endpoints=("other", "GET /*")), True),
        (Filter(endpoints=("prices",)), False),
        (Filter(field="/items/*/price"), True),
        (Filter(field="/items"), True),
        (Filter(field="/**/price"), True),
        (Filter(field="/items/*/stock"), False),
        (Filter(min_changes=3), True),
        (Filter(min_changes=4), False),
        (Filter(similarity_below=0.91), True),
        (Filter(similarity_below=0.9), False),
        (Filter(field="/updated", min_changes=4), False),
    ],
)
def test_filters(filter: Filter, wanted: bool) -> None:
    assert filters.takes(filters.check(filter), PRICES) is wanted


def test_filters_of_deltas_say_nothing_of_other_happenings() -> None:
    assert filters.takes(Filter(min_changes=4, field="/a"), Subject("id", "name"))
    assert not filters.takes(Filter(endpoints=("*",)), Subject())
    assert [field.path for field in filters.fields_of(Filter(field="/updated"), PRICES.change.fields)] == ["/updated"]  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize(
    ("filter", "field"),
    [
        (Filter(field="items"), "filter.field"),
        (Filter(field="/**/**/**"), "filter.field"),
        (Filter(endpoints=("",)), "filter.endpoints[0]"),
        (Filter(condition="data.["), "filter.condition"),
        (Filter(condition=""), "filter.condition"),
    ],
)
def test_filters_that_are_none(filter: Filter, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        filters.check(filter)
    assert [error.field for error in refused.value.errors] == [field]


def test_conditions() -> None:
    body = messages.body("delta.created", 0, b'{"delta":{"added":2}}', test=False)
    assert filters.holds("data.delta.added > `1` && type == 'delta.created'", body)
    assert not filters.holds("data.delta.removed", body)
    assert not filters.holds("length(data.nothing)", body)  # cannot be evaluated


def test_ids_hold_the_number() -> None:
    id = messages.id_of(12345, 1_790_000_000_123)
    assert id[14] == "7"
    assert messages.number_in(bytes.fromhex(id.replace("-", ""))) == 12345
    assert messages.id_of(1, 5) < messages.id_of(2, 5) < messages.id_of(1, 6)


def test_excerpts_are_short_and_without_secrets() -> None:
    said = masking.excerpt(
        b"no: Bearer abcdefghij token s3cret-value whsec_AAAAAAAAAAAA \xff\0", ["s3cret-value", "no"]
    )
    assert said == "no: *** token *** *** \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    assert len(masking.excerpt("ä".encode() * 5000, [])) == 512


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/delta", "https://a.example/delta"),
        ("https://a.example", "https://a.example"),
        ("https://a.example:8443/", "https://a.example:8443/"),
        ("https://hooks.slack.com/services/T04/B91/xyz", "https://hooks.slack.com/..."),
        ("https://api.telegram.org/bot123:ABC", "https://api.telegram.org/..."),
        ("https://a.example/in?token=x", "https://a.example/..."),
    ],
)
def test_of_an_address_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert masking.place(url) == shown


@pytest.mark.parametrize(
    "url",
    ["ftp://a", "https://u:p@a/", "http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1", "http://a b", "", "//a"],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        settings.check_url(url, [])
    assert refused.value.errors[0].field == "url"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "a"},
        {"Webhook-Id": "a"},
        {"x-signature-256": "a"},
        {"a b": "c"},
        {"a": "b\r\nc: d"},
        {"a": "ä"},
        {"a": "x" * 2001},
        {"a": "1", "A": "2"},
        {str(number): "a" for number in range(21)},
    ],
)
def test_headers_that_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        settings.check_headers(headers)


def test_times() -> None:
    assert settings.retries_s(["5s", "1m"]) == (5, 60)
    assert [settings.length_text(value) for value in (5, 90, 300, 7200, 0.5)] == ["5s", "90s", "5m", "2h", "500ms"]
    for wrong in (["25h"], ["10ms"], ["x"], ["1s"] * 21):
        with pytest.raises(Invalid):
            settings.retries_s(wrong)
    for timeout in ("31s", "10ms", "5"):
        with pytest.raises(Invalid):
            settings.timeout_s(timeout)
