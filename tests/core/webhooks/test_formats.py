"""Messages in the words of other services, and templates over a closed grammar."""

import json
from typing import Any

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.webhooks import formats, templates, words
from delta_server.core.webhooks.formats import Destination, Outgoing

DELTA = {
    "endpoint": {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "GET /prices <b>&*"},
    "delta": {"added": 1, "removed": 0, "replaced": 11, "moved": 0},
    "fields": [{"path": f"/items/*/f{number}", "changes": number} for number in range(1, 11)],
    "fields_count": 60,
}
LINK = "https://delta.example/p/shop/e/x"
MESSAGE = Outgoing("0190-id", "delta.created", 1_790_000_000_000, json.dumps(DELTA).encode(), link=LINK)
TITLE = "GET /prices <b>&* changed"


def rendered(format: Any, url: str = "https://a.example/hook", message: Outgoing = MESSAGE, **more: Any) -> Any:
    sent = formats.render(Destination(format, url, **more), message)
    return sent.method, sent.url, json.loads(sent.body)


def test_slack_has_no_markup_of_names() -> None:
    _, url, body = rendered("slack")
    first, counts, *fields = body["text"].split("\n")
    assert url == "https://a.example/hook"
    assert first == f"*<{LINK}|GET /prices &lt;b&gt;&amp;* changed>*"
    assert (counts, fields[0], fields[-1], len(fields)) == (
        "+1 added, ~11 changed",
        "/items/*/f1 (1)",
        "and 52 fields more",
        9,
    )


def test_discord_pings_nobody() -> None:
    body = rendered("discord")[2]
    assert body["allowed_mentions"] == {"parse": []}
    assert body["embeds"][0]["title"] == TITLE
    assert r"/items/\*/f1 \(1\)" in body["embeds"][0]["description"]


def test_teams_is_an_adaptive_card() -> None:
    card = rendered("teams")[2]["attachments"][0]["content"]
    title = card["body"][0]["inlines"][0]
    assert (card["type"], title["text"]) == ("AdaptiveCard", TITLE)
    kinds = {(block["type"], run["type"]) for block in card["body"] for run in block["inlines"]}
    assert kinds == {("RichTextBlock", "TextRun")}  # which read no Markdown
    assert card["actions"][0]["url"] == LINK


def test_ntfy_is_sent_to_the_root_with_its_topic() -> None:
    _, url, body = rendered("ntfy", "https://ntfy.example/sub/quakes")
    assert (url, body["topic"], body["title"], body["click"]) == ("https://ntfy.example/sub/", "quakes", TITLE, LINK)


def test_gotify_telegram_and_matrix() -> None:
    assert rendered("gotify", "https://g.example/message?token=x")[2]["title"] == TITLE
    body = rendered("telegram", to="-100123")[2]
    assert (body["chat_id"], body["text"].split("\n")[0], "parse_mode" in body) == ("-100123", TITLE, False)
    method, url, body = rendered("matrix", "https://m.example/", to="!room:m.example")
    assert method == "PUT"
    assert url == "https://m.example/_matrix/client/v3/rooms/%21room%3Am.example/send/m.room.message/0190-id"
    assert body["msgtype"] == "m.text"


def test_cloudevents() -> None:
    event = rendered("cloudevents")[2]
    assert (event["specversion"], event["type"], event["subject"]) == (
        "1.0",
        "delta.delta.created",
        DELTA["endpoint"]["id"],  # type: ignore[index]  # of a dictionary
    )
    assert event["data"] == DELTA


SAID = [
    ("snapshot.created", {"endpoint": {"name": "a"}, "snapshot": {"size_bytes": 53_300}}, "a: a new snapshot, 53.3 kB"),
    ("snapshot.unchanged", {"endpoint": {"name": "a"}}, "a: a snapshot, nothing changed"),
    ("endpoint.deleted", {"endpoint": {"name": "a\nb"}}, "a b was deleted"),
    (
        "field.changed",
        {"endpoint": {"name": "a"}, "fields": [{"path": "/x", "changes": 1}, {"path": "/y", "changes": 2}]},
        "a: /x and 1 more changed\n/x (1)\n/y (2)",
    ),
    (
        "poll.failed",
        {"endpoint": {"name": "a"}, "poll": {"class": "status", "status": 503}},
        "a: polls fail\nstatus: 503",
    ),
    ("webhook.disabled", {"webhook": {"name": "w", "reason": "gone"}}, "The webhook w was turned off\ngone"),
    (
        "alert.raised",
        {"endpoint": {"name": "quakes"}, "alert": {"rule": "many", "text": "140, over 137"}},
        "many was raised\n140, over 137\nquakes",
    ),
    (
        "alert.cleared",
        {"endpoint": None, "alert": {"rule": "many", "text": "140, over 137"}},
        "many is over\n140, over 137",
    ),
    (
        "alert.digest",
        {"digest": {"count": 2, "lines": [{"text": "many: 140, over 137"}]}},
        "2 alerts\nmany: 140, over 137\nand 1 more",
    ),
    (
        "anomaly.found",
        {"endpoint": {"name": "a"}, "anomaly": {"text": "/x: 9, where 1 to 2 are usual"}},
        "a: /x: 9, where 1 to 2 are usual",
    ),
    ("anomaly.found", {"anomaly": {"text": "view: no events"}}, "view: no events"),
    (
        "schema.changed",
        {
            "endpoint": {"name": "a"},
            "schema": {"level": "breaking", "count": 2, "changes": [{"path": "/x", "what": "nullable", "now": None}]},
        },
        "a: its schema changed, breaking\n/x nullable\nand 1 more",
    ),
    (
        "schema.changed",
        {
            "event_type": "bought",
            "schema": {"level": "compatible", "count": 1, "changes": [{"path": "/data/x", "now": "string"}]},
        },
        "Events of the type bought: their schema changed, compatible\n/data/x string",
    ),
    (
        "schema.violated",
        {"endpoint": {"name": "a"}, "misfits": [{"path": "/x", "reason": '1 is not of type "string"'}]},
        'a: a document does not fit its schema\n/x: 1 is not of type "string"',
    ),
    ("quota.exceeded", {"quota": {}, "message": "the plan allows 5"}, "the plan allows 5"),
    (
        "event.created",
        {"count": 3, "events": [{"eventType": "a"}, {"eventType": "b"}, {"eventType": "b"}]},
        "3 events came in\nb (2)\na (1)",
    ),
    ("webhook.test", {"message": "this is a test"}, "this is a test"),
]


@pytest.mark.parametrize(("kind", "data", "wanted"), SAID)
def test_words(kind: str, data: dict[str, Any], wanted: str) -> None:
    assert words.of(kind, data).text == wanted
    assert words.of(kind, data, test=True).title.startswith("Test: ")
    words.of(kind, {})  # whatever is missing


@pytest.mark.parametrize(
    ("destination", "headers", "field"),
    [
        (Destination("delta", ""), {}, "url"),
        (Destination("email", "https://a.example", "a@b.example"), {}, "url"),
        (Destination("email", "", "nobody"), {}, "to"),
        (Destination("telegram", "https://a.example"), {}, "to"),
        (Destination("telegram", "https://a.example", "a chat"), {}, "to"),
        (Destination("matrix", "https://a.example", "#alias:m"), {"authorization": "Bearer x"}, "to"),
        (Destination("matrix", "https://a.example", "!r:m"), {}, "headers"),
        (Destination("gotify", "https://a.example/message"), {}, "headers"),
        (Destination("gotify", "https://a.example/"), {"x-gotify-key": "x"}, "url"),
        (Destination("gotify", "https://a.example/#/message"), {"x-gotify-key": "x"}, "url"),
        (Destination("telegram", "https://api.telegram.org/bot1:x", "-1"), {}, "url"),
        (Destination("ntfy", "https://ntfy.sh/"), {}, "url"),
        (Destination("slack", "https://a.example", to="x"), {}, "to"),
        (Destination("slack", "https://a.example", template="x"), {}, "template"),
        (Destination("template", "https://a.example"), {}, "template"),
        (Destination("template", "https://a.example", template="{{ data.[ }}"), {}, "template"),
        (Destination("template", "https://a.example", template='{"a": {{ type }} '), {}, "template"),
        (Destination("template", "https://a.example", template="{{ type }}" * 21), {}, "template"),
    ],
)
def test_what_a_format_lacks(destination: Destination, headers: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        formats.check(destination, headers)
    assert [error.field for error in refused.value.errors] == [field]


BODY = b'{"type":"delta.created","data":{"endpoint":{"name":"a \\"quoted\\" {{ type }}"},"n":[1,{"b":2}]}}'


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{ type }} of {{data.endpoint.name}}!", 'delta.created of a "quoted" {{ type }}!'),
        ("n={{ data.n }} {{ nothing }}", 'n=[1,{"b":2}] '),
        ("{{ length(nothing) }}|{{ data.n[0] }}", "|1"),
        ("no values", "no values"),
        ("{{ a", "{{ a"),
    ],
)
def test_templates_of_text(template: str, wanted: str) -> None:
    assert templates.render(templates.check(template), BODY).decode() == wanted


def test_templates_of_json_stay_json_whatever_the_values_are() -> None:
    template = (
        '{"text": "\\"{{ data.endpoint.name }}\\"", "n": {{ data.n }}, "none": {{ nothing }}, "empty": "{{ nothing }}"}'
    )
    sent = json.loads(templates.render(templates.check(template), BODY))
    assert sent == {"text": '"a "quoted" {{ type }}"', "n": [1, {"b": 2}], "none": None, "empty": ""}


def test_a_body_is_bounded() -> None:
    message = json.dumps({"a": "x" * 4_000}).encode()
    with pytest.raises(Invalid, match="at most"):
        templates.render("{{ a }}" * 20, message)
