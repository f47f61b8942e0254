"""Single sign-on on the wire."""

from typing import Literal

import msgspec


class Methods(msgspec.Struct, frozen=True):
    """How people sign in here. `header` is whether POST /v1/auth/login/header takes this browser's word, because a
    trusted proxy is on the way."""

    password: bool
    registration: Literal["closed", "invite", "open"]
    header: bool


class HeaderLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cookie` asks for the refresh token in a cookie, which no script of a page can read."""

    cookie: bool = False


FIELDS = {
    "Methods.password": "Whether POST /v1/auth/login takes a password",
    "Methods.registration": "Whether POST /v1/auth/register makes an account: open; invite and closed refuse",
    "Methods.header": "Whether POST /v1/auth/login/header signs in whoever the proxy on the way names",
}
