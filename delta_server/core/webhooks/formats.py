"""A message in the words of other services: what is sent, where to, and with which method.

slack, discord, teams   to the address of an incoming webhook, its secret; slack suits Mattermost
ntfy                    to https://SERVER/TOPIC
gotify                  to https://SERVER/message, the token in the header x-gotify-key
telegram                to https://api.telegram.org/botTOKEN/sendMessage, `to` a chat id
apprise                 to whatever Apprise reads, `discord://ID/TOKEN` (egress/by_apprise.py)
matrix                  to https://HOMESERVER, `to` a room id, the access token in the header authorization
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.webhooks import messages, templates, words

Format: TypeAlias = Literal[
    "delta",
    "cloudevents",
    "slack",
    "discord",
    "teams",
    "ntfy",
    "gotify",
    "telegram",
    "matrix",
    "email",
    "template",
    "apprise",
]
_TO = {
    "telegram": (re.compile(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{4,40}"), "a chat id, or @ and the name of a channel"),
    "matrix": (re.compile(r"![!-~]{1,254}"), "a room id, which begins with !"),
    "email": (re.compile(r"[^\s@]+@[^\s@]+"), "the e-mail address of somebody with an account here"),
}
_ENDS = {"gotify": "/message", "telegram": "/sendMessage"}
"""Of addresses: the service answers 404, or a page with 200, to what is sent to another."""
_TOKEN = {"matrix": "authorization", "gotify": "x-gotify-key"}
_DISCORD = re.compile(r"([\\*_~`|>#\[\]()@])")


class Outgoing(msgspec.Struct, frozen=True):
    """What there is to say; `data` is JSON, `link` where people look at it."""

    id: str
    kind: str
    at_ms: int
    data: bytes
    test: bool = False
    link: str | None = None

    @property
    def body(self) -> bytes:
        return messages.body(self.kind, self.at_ms, self.data, test=self.test)


class Destination(msgspec.Struct, frozen=True):
    format: Format
    url: str
    to: str | None = None
    template: str | None = None


class Rendered(msgspec.Struct, frozen=True):
    url: str
    content_type: str
    body: bytes
    method: str = "POST"


def check(destination: Destination, headers: Mapping[str, str]) -> None:
    """Raises Invalid for what the format lacks, or has no use for."""
    format = destination.format
    if format in _TO:
        pattern, wanted = _TO[format]
        if destination.to is None or not pattern.fullmatch(destination.to):
            raise Invalid(f"with the format {format}, to must be {wanted}", field="to")
    elif destination.to is not None:
        raise Invalid(f"to goes with the formats {', '.join(_TO)}", field="to")
    if format == "template":
        if destination.template is None:
            raise Invalid("with the format template, template must be the text of the body", field="template")
        templates.check(destination.template)
    elif destination.template is not None:
        raise Invalid("template goes with the format template", field="template")
    if format in _TOKEN and _TOKEN[format] not in headers and "token=" not in destination.url:
        raise Invalid(f"with the format {format}, the header {_TOKEN[format]} must have the token", field="headers")
    if format == "ntfy" and not _topic(destination.url)[1]:
        raise Invalid("with the format ntfy, url must end with the topic, as https://ntfy.sh/TOPIC", field="url")
    if format in _ENDS and not urlsplit(destination.url).path.endswith(_ENDS[format]):
        raise Invalid(f"with the format {format}, url must end with {_ENDS[format]}", field="url")
    if (format == "email") != (not destination.url):
        raise Invalid("url goes with all formats but email" if format == "email" else "url is missing", field="url")


def render(destination: Destination, message: Outgoing) -> Rendered:
    """Not for email and apprise, which are not sent by Delta's HTTP."""
    return _FORMATS[destination.format](destination, message)


def said(message: Outgoing) -> words.Words:
    return words.of(message.kind, msgspec.json.decode(message.data), test=message.test)


def _json(url: str, body: object, *, method: str = "POST") -> Rendered:
    return Rendered(url, "application/json", msgspec.json.encode(body), method)


def _delta(to: Destination, message: Outgoing) -> Rendered:
    return Rendered(to.url, "application/json", message.body)


def _cloudevents(to: Destination, message: Outgoing) -> Rendered:
    """CloudEvents 1.0.2, structured mode."""
    data = msgspec.json.decode(message.data)
    endpoint = data.get("endpoint", {}).get("id")
    event = {
        "specversion": "1.0",
        "id": message.id,
        "source": "/v1/endpoints" if endpoint is None else f"/v1/endpoints/{endpoint}",
        "type": f"delta.{message.kind}",
        "time": times.format(message.at_ms),
        **({} if endpoint is None else {"subject": endpoint}),
        **({"test": True} if message.test else {}),
        "datacontenttype": "application/json",
        "data": msgspec.Raw(message.data),
    }
    return Rendered(to.url, "application/cloudevents+json", msgspec.json.encode(event))


def _slack(to: Destination, message: Outgoing) -> Rendered:
    of = said(message)

    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    title = f"<{message.link}|{escaped(of.title)}>" if message.link else escaped(of.title)
    return _json(to.url, {"text": "\n".join([f"*{title}*", *map(escaped, of.lines)])})


def _discord(to: Destination, message: Outgoing) -> Rendered:
    of = said(message)
    embed: dict[str, Any] = {
        "title": of.title[:256],
        "description": _DISCORD.sub(r"\\\1", "\n".join(of.lines))[:4000],
        "timestamp": times.format(message.at_ms),
        **({"url": message.link} if message.link else {}),
    }
    return _json(to.url, {"embeds": [embed], "allowed_mentions": {"parse": []}})


def _teams(to: Destination, message: Outgoing) -> Rendered:
    """An adaptive card, as the Workflows app takes it in place of the connectors that are gone. A TextBlock would read
    Markdown, links too; the runs of a RichTextBlock are text."""
    of = said(message)

    def block(text: str, **style: str) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}

    blocks = [block(of.title, weight="bolder"), *[block(line) | {"spacing": "none"} for line in of.lines]]
    card: dict[str, Any] = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return _json(to.url, {"type": "message", "attachments": [attachment]})


def _ntfy(to: Destination, message: Outgoing) -> Rendered:
    """As JSON to the server's root: the title of the other way is a header, and headers are ASCII."""
    of = said(message)
    root, topic = _topic(to.url)
    body = {"topic": topic, "title": of.title, "message": "\n".join(of.lines) or of.title}
    return _json(root, body | ({"click": message.link} if message.link else {}))


def _topic(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    path, _, topic = parts.path.rstrip("/").rpartition("/")
    return f"{parts.scheme}://{parts.netloc}{path}/", topic


def _gotify(to: Destination, message: Outgoing) -> Rendered:
    of = said(message)
    body: dict[str, Any] = {"title": of.title, "message": "\n".join(of.lines) or of.title, "priority": 5}
    if message.link:
        body["extras"] = {"client::notification": {"click": {"url": message.link}}}
    return _json(to.url, body)


def _telegram(to: Destination, message: Outgoing) -> Rendered:
    """Without a parse mode: nothing in a name is markup."""
    text = said(message).text + (f"\n{message.link}" if message.link else "")
    return _json(to.url, {"chat_id": to.to, "text": text[:4096], "disable_web_page_preview": True})


def _matrix(to: Destination, message: Outgoing) -> Rendered:
    """The transaction id makes a repeated one nothing new."""
    room = quote(to.to or "", safe="")
    url = f"{to.url.rstrip('/')}/_matrix/client/v3/rooms/{room}/send/m.room.message/{message.id}"
    text = said(message).text + (f"\n{message.link}" if message.link else "")
    return _json(url, {"msgtype": "m.text", "body": text}, method="PUT")


def _template(to: Destination, message: Outgoing) -> Rendered:
    template = to.template or ""
    content_type = "application/json" if templates.is_json(template) else "text/plain; charset=utf-8"
    return Rendered(to.url, content_type, templates.render(template, message.body))


_FORMATS: Mapping[str, Callable[[Destination, Outgoing], Rendered]] = {
    "delta": _delta,
    "cloudevents": _cloudevents,
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    "ntfy": _ntfy,
    "gotify": _gotify,
    "telegram": _telegram,
    "matrix": _matrix,
    "template": _template,
}
