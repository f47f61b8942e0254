"""Registrations on the wire."""

from typing import Annotated

import msgspec

from delta_server.core import passwords
from delta_server.core.emails import MAX_CHARACTERS
from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS as MAX_NAME


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, documented(maxLength=MAX_CHARACTERS)]
    password: Annotated[str, documented(minLength=passwords.FEWEST, maxLength=passwords.MOST)]
    name: Annotated[str, documented(maxLength=MAX_NAME)] = ""


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is the mailed link's; `password` the one that was chosen, so that nobody confirms what another began."""

    token: Annotated[str, documented(maxLength=200)]
    password: Annotated[str, documented(maxLength=passwords.MOST)]


class Registered(msgspec.Struct, frozen=True):
    """Alike for an address that is taken."""

    email: str
    confirmation: bool


class Confirmed(msgspec.Struct, frozen=True):
    email: str


FIELDS = {
    "Registered.email": "The address, as it is kept",
    "Registered.confirmation": "Whether a link is mailed that must be followed first",
    "Confirmed.email": "The address that one signs in with now",
}
"""What the API's description says of the fields of answers."""
