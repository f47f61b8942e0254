"""People, sessions and tokens on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, passwords, times
from delta_server.core.emails import MAX_CHARACTERS
from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS as MAX_NAME
from delta_server.features.users import store

Email = Annotated[str, documented(maxLength=MAX_CHARACTERS)]
Password = Annotated[str, documented(minLength=passwords.FEWEST, maxLength=passwords.MOST)]
GivenPassword = Annotated[str, documented(maxLength=passwords.MOST)]
Token = Annotated[str, documented(maxLength=200)]
Code = Annotated[str, documented(maxLength=64)]
"""Of the app, or a recovery code."""
InstanceRole = Literal["owner", "admin", "member"]


class Setup(msgspec.Struct, frozen=True):
    """Whether the first owner is still to be made."""

    needed: bool


class FirstOwner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is the one that the server prints at its start, and `delta-server setup-link`."""

    token: Token
    email: Email
    password: Password
    name: Annotated[str, documented(maxLength=MAX_NAME)] = ""
    cookie: bool = False


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cookie` asks for the refresh token in a cookie, which no script of a page can read."""

    email: Email
    password: GivenPassword
    cookie: bool = False


class RefreshToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `refresh_token`, the cookie's is meant."""

    refresh_token: Token | UnsetType = UNSET


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    current_password: GivenPassword
    new_password: Password


class Forgotten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class ForgottenAnswer(msgspec.Struct, frozen=True):
    """Alike for every address."""

    message: str
    mailed: bool


class PasswordReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is from the link of `delta-server user reset-link`."""

    token: Token
    new_password: Password


class User(msgspec.Struct, frozen=True):
    """`role` is the instance's: owners and admins see all projects, members those they were added to."""

    id: str
    email: str
    name: str
    role: InstanceRole
    created_at: str


class MeAnswer(msgspec.Struct, frozen=True):
    user: User
    second_factor: bool
    recovery_codes_left: int


class CodeWanted(msgspec.Struct, frozen=True):
    """The password was right; `mfa_token` and a code begin the session, within `expires_in` seconds."""

    mfa_token: str
    expires_in: int
    mfa_required: Literal[True] = True


class CodeLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mfa_token: Token
    code: Code
    cookie: bool = False


class OwnPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: GivenPassword


class GivenCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Code


class PasswordAndCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: GivenPassword
    code: Code


class Enrolment(msgspec.Struct, frozen=True):
    """`uri` is what an authenticator app reads from a QR code, `secret` what is typed into one instead."""

    secret: str
    uri: str


class RecoveryCodes(msgspec.Struct, frozen=True):
    recovery_codes: list[str]


class Tokens(msgspec.Struct, frozen=True):
    """`access_token` is valid for `expires_in` seconds; `refresh_token` gets the next pair, once. It is not there when
    it is in a cookie."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: User
    refresh_token: str | UnsetType = UNSET


class Session(msgspec.Struct, frozen=True):
    """`client` is the User-Agent it began with, `current` whether it is the caller's own."""

    id: str
    created_at: str
    last_used_at: str
    expires_at: str
    address: str
    client: str
    current: bool


class RevokedAnswer(msgspec.Struct, frozen=True):
    revoked: int


def user(row: store.User) -> User:
    return User(
        ids.text(row.uid), row.email, row.name, msgspec.convert(row.role, InstanceRole), times.format(row.created_at)
    )


def session(row: store.Session, current: int | None) -> Session:
    return Session(
        ids.text(row.uid),
        times.format(row.created_at),
        times.format(row.last_used_at),
        times.format(row.expires_at),
        row.address,
        row.client,
        row.id == current,
    )


FIELDS = {
    "Setup.needed": "Whether the server has no user yet",
    "ForgottenAnswer.message": "What happens next",
    "ForgottenAnswer.mailed": "Whether this server sends mails at all, whatever the address",
    "User.id": "The user's id",
    "User.email": "The address they sign in with",
    "User.role": "What they may do in the instance",
    "MeAnswer.user": "Who is signed in",
    "MeAnswer.second_factor": "Whether logins want a code of an authenticator app",
    "MeAnswer.recovery_codes_left": "How many recovery codes have not been used",
    "CodeWanted.mfa_required": "Always true: the password was right, and a code is wanted",
    "CodeWanted.mfa_token": "What POST /v1/auth/login/totp takes beside the code",
    "CodeWanted.expires_in": "Seconds for which the token is valid",
    "Enrolment.secret": "The secret in Base32, for apps that cannot scan",
    "Enrolment.uri": "The otpauth address, to be shown as a QR code",
    "RecoveryCodes.recovery_codes": "Each takes the place of a code once; they are shown this once",
    "Tokens.access_token": "What is sent as Authorization: Bearer",
    "Tokens.token_type": "How it is sent",
    "Tokens.expires_in": "Seconds for which the access token is good",
    "Tokens.refresh_token": "What POST /v1/auth/refresh takes, once",
    "Tokens.user": "Who is signed in",
    "Session.id": "The session's id",
    "Session.last_used_at": "When it was last refreshed",
    "Session.expires_at": "When it ends unless it is refreshed",
    "Session.address": "The address it began from",
    "Session.client": "The User-Agent it began with",
    "Session.current": "Whether it is the caller's own",
    "RevokedAnswer.revoked": "How many sessions were ended",
}
"""What the API's description says of the fields of answers."""
