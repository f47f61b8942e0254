"""How an endpoint is polled, as its owner says it: checked, changed, and shown without what is secret.

A secret is never answered back. Where one stands an answer has MASK, and so may a change, which then keeps what there
is. Values of headers are secrets unless the header is among those that carry none; so are those parts of `auth`, and
values of parameters in the address whose names say so (`?api_key=`).
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core.destinations import origin_of
from delta_server.core.errors import Invalid
from delta_server.core.formats.formats import Format
from delta_server.core.paging import Paging

MASK = "***"
MAX_URL = 4000
MAX_BODY_BYTES = 64 << 10

Method = Literal["GET", "POST", "PUT", "PATCH"]
Address = Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
Text: TypeAlias = Annotated[str, Meta(max_length=4000)]
Short: TypeAlias = Annotated[str, Meta(max_length=200)]
Expression: TypeAlias = Annotated[str, Meta(max_length=4000)]
Retries: TypeAlias = Annotated[int, Meta(ge=0, le=5)]
Status: TypeAlias = Annotated[int, Meta(ge=100, le=599)]

PLAIN_HEADERS = frozenset({"accept", "accept-language", "cache-control", "content-type", "user-agent"})
"""Their values are no secrets."""

_SECRET_NAME = re.compile(
    r"(?:.*[_.-])?(?:api_?key|app_?id|key|token|secret|password|passwd|pwd|sig|signature|auth|credentials?)",
    re.IGNORECASE,
)
_SHORTEST_MASKED = 3
"""A shorter one stands in a text by chance."""
_PARAMETER = re.compile(r"(?<=[?&])([^=&]+)=([^&]+)")


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="basic"):
    username: Text
    password: Text = MASK

    @property
    def pair(self) -> str:
        """As it is sent (RFC 7617)."""
        return b64encode(f"{self.username}:{self.password}".encode()).decode()


class Bearer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="bearer"):
    token: Text = MASK


class ByHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="header"):
    """A header with a key in it, such as X-Api-Key."""

    name: Short
    value: Text = MASK


class ClientCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="oauth2"):
    """OAuth 2.0's client credentials grant (RFC 6749, 4.4)."""

    token_url: Address
    client_id: Text
    client_secret: Text = MASK
    scope: Text = ""
    audience: Text = ""


class NoAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="none"):
    pass


Auth: TypeAlias = NoAuth | Basic | Bearer | ByHeader | ClientCredentials
_SECRET_OF: Mapping[type, str] = {
    Basic: "password",
    Bearer: "token",
    ByHeader: "value",
    ClientCredentials: "client_secret",
}


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an answer must be to be stored: without `status` any of 200 to 299."""

    status: Annotated[list[Status], Meta(min_length=1, max_length=20)] | None = None
    content_type: Short | None = None
    expression: Expression | None = None


class PollingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`body` is a text, or JSON that is sent as such."""

    url: Address
    method: Method = "GET"
    headers: dict[Short, Text] = {}
    body: Any = None
    auth: Auth | None = None
    interval: Short | None = None
    cron: Short | None = None
    timezone: Short = "UTC"
    timeout: Short = "30s"
    retries: Retries = 2
    transform: Expression | None = None
    expect: Expect | None = None
    read_as: Format | None = None
    paging: Paging | None = None
    enabled: bool = True


class PollingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays, null is the default. Each member counts as a whole: `headers` are all headers."""

    url: Address | UnsetType = UNSET
    method: Method | UnsetType | None = UNSET
    headers: dict[Short, Text] | UnsetType | None = UNSET
    body: Any = UNSET
    auth: Auth | UnsetType | None = UNSET
    interval: Short | UnsetType | None = UNSET
    cron: Short | UnsetType | None = UNSET
    timezone: Short | UnsetType | None = UNSET
    timeout: Short | UnsetType | None = UNSET
    retries: Retries | UnsetType | None = UNSET
    transform: Expression | UnsetType | None = UNSET
    expect: Expect | UnsetType | None = UNSET
    read_as: Format | UnsetType | None = UNSET
    paging: Paging | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET


def changed(before: PollingSettings | None, change: PollingChange) -> PollingSettings:
    """The settings with the change put in, and every MASK in it replaced by the secret it stands for. Raises Invalid
    where there is none, and where a secret would be sent to another server than the one it was given for."""
    given = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
    if before is None and "url" not in given:
        raise Invalid("polling needs a url", field="polling.url")
    if given.get("interval") is not None:
        given.setdefault("cron", None)
    elif given.get("cron") is not None:
        given.setdefault("interval", None)
    kept = {} if before is None else {name: getattr(before, name) for name in before.__struct_fields__}
    values = {name: value for name, value in (kept | given).items() if value is not None}
    settings = _unmasked(before, PollingSettings(**values))
    if before is not None:
        _refuse_secrets_elsewhere(before, given, settings)
    return settings


def _unmasked(before: PollingSettings | None, settings: PollingSettings) -> PollingSettings:
    headers = {name.lower(): value for name, value in (before.headers if before else {}).items()}
    return msgspec.structs.replace(
        settings,
        url=_unmasked_url(before.url if before else "", settings.url),
        headers={
            name: _kept(value, headers.get(name.lower()), f"headers.{name}") for name, value in settings.headers.items()
        },
        auth=_unmasked_auth(before.auth if before else None, settings.auth),
    )


def _kept(value: str, before: str | None, field: str) -> str:
    if value != MASK:
        return value
    if before is None or before == MASK:
        raise Invalid(f"{field} is {MASK}, and nothing is kept that it could stand for", field=f"polling.{field}")
    return before


def _unmasked_url(before: str, url: str) -> str:
    kept = dict(_PARAMETER.findall(before)) if masked_url(before) != before else {}
    return _PARAMETER.sub(lambda match: f"{match[1]}={_kept(match[2], kept.get(match[1]), 'url')}", url)


def _unmasked_auth(before: Auth | None, auth: Auth | None) -> Auth | None:
    name = _SECRET_OF.get(type(auth))
    if auth is None or name is None:
        return None
    known = getattr(before, name) if type(before) is type(auth) else None
    return msgspec.structs.replace(auth, **{name: _kept(getattr(auth, name), known, f"auth.{name}")})


def _refuse_secrets_elsewhere(before: PollingSettings, given: Mapping[str, Any], after: PollingSettings) -> None:
    """Who may change an address may not learn by it what is sent there: only what is given anew goes elsewhere."""
    auth = given.get("auth", UNSET)
    keeps_auth = _secret(before.auth) is not None if auth is UNSET else _secret(auth) == MASK
    headers = masked(before).headers if "headers" not in given else given["headers"] or {}
    if origin_of(before.url) != origin_of(after.url):
        if MASK in headers.values():
            raise _elsewhere("headers")
        if keeps_auth:
            raise _elsewhere("auth")
        if MASK in dict(_PARAMETER.findall(given["url"])).values():
            raise _elsewhere("url")
    old_token_url, new_token_url = (getattr(each.auth, "token_url", "") for each in (before, after))
    if keeps_auth and origin_of(old_token_url) != origin_of(new_token_url):
        raise _elsewhere("auth")


def _elsewhere(field: str) -> Invalid:
    return Invalid(
        f"the address leads to another server, and what is kept in {field} was not given for it: give it again, or"
        " leave it out",
        field=f"polling.{field}",
    )


def _secret(auth: Auth | None) -> str | None:
    name = _SECRET_OF.get(type(auth))
    return None if name is None else getattr(auth, name)


def masked_url(url: str) -> str:
    return _PARAMETER.sub(lambda match: f"{match[1]}={MASK}" if _SECRET_NAME.fullmatch(match[1]) else match[0], url)


def masked(settings: PollingSettings) -> PollingSettings:
    """Without its secrets."""
    auth, name = settings.auth, _SECRET_OF.get(type(settings.auth))
    return msgspec.structs.replace(
        settings,
        url=masked_url(settings.url),
        headers={name: value if name.lower() in PLAIN_HEADERS else MASK for name, value in settings.headers.items()},
        auth=auth if auth is None or name is None else msgspec.structs.replace(auth, **{name: MASK}),
    )


class Secrets(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `masked` takes out, which is sealed where it is kept."""

    url: str | None = None
    headers: dict[str, str] = {}
    auth: str | None = None


def secrets_of(settings: PollingSettings) -> Secrets | None:
    """None for settings without any."""
    found = Secrets(
        url=settings.url if masked_url(settings.url) != settings.url else None,
        headers={name: value for name, value in settings.headers.items() if name.lower() not in PLAIN_HEADERS},
        auth=_secret(settings.auth),
    )
    return None if found == Secrets() else found


def values_of(settings: PollingSettings) -> set[str]:
    """All that is secret in them, as it may come back in an answer."""
    values = {value for name, value in settings.headers.items() if name.lower() not in PLAIN_HEADERS}
    values |= {value for name, value in _PARAMETER.findall(settings.url) if _SECRET_NAME.fullmatch(name)}
    if (secret := _secret(settings.auth)) is not None:
        values.add(secret)
    if isinstance(settings.auth, Basic):
        values.add(settings.auth.pair)
    return {value for value in values if len(value) >= _SHORTEST_MASKED}


def with_secrets(settings: PollingSettings, secrets: Secrets) -> PollingSettings:
    """What `masked` was given."""
    auth, name = settings.auth, _SECRET_OF.get(type(settings.auth))
    return msgspec.structs.replace(
        settings,
        url=secrets.url or settings.url,
        headers=settings.headers | secrets.headers,
        auth=auth if auth is None or name is None else msgspec.structs.replace(auth, **{name: secrets.auth}),
    )
