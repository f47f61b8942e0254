"""Single sign-on on the wire."""

from typing import Annotated, Literal

import msgspec

from delta_server.core.json_schema import documented
from delta_server.features.users.schemas import GivenPassword


class OidcMethod(msgspec.Struct, frozen=True):
    """A link to `login`, with `?next=` for where the browser goes in the end."""

    name: str
    login: str


class Methods(msgspec.Struct, frozen=True):
    """How people sign in here. `header` is whether POST /v1/auth/login/header takes this browser's word, because a
    trusted proxy is on the way."""

    password: bool
    registration: Literal["closed", "invite", "open"]
    header: bool
    oidc: OidcMethod | None


class HeaderLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cookie` asks for the refresh token in a cookie, which no script of a page can read."""

    cookie: bool = False


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`next` is where the browser goes in the end, a path of this server."""

    password: GivenPassword
    next: Annotated[str, documented(maxLength=1000)] = "/"


class LinkBegun(msgspec.Struct, frozen=True):
    location: str


FIELDS = {
    "Methods.password": "Whether POST /v1/auth/login takes a password",
    "Methods.registration": "Whether POST /v1/auth/register makes an account: open; invite and closed refuse",
    "Methods.oidc": "The identity provider, null where there is none",
    "OidcMethod.name": "What its button says",
    "OidcMethod.login": "The path that the button leads to",
    "LinkBegun.location": "The provider's page, which the browser goes to next",
    "Methods.header": "Whether POST /v1/auth/login/header signs in whoever the proxy on the way names",
}
