"""Links that people follow out of mails and messages: to the server's page for them, with the token behind `#`, which
browsers send to nobody. Their address is the configured one alone: a request's Host is whoever's who sent it."""

from typing import Literal, TypeAlias

Purpose: TypeAlias = Literal["invitation", "confirm", "reset"]

PAGE = "/link"


def link(public_url: str, purpose: Purpose, token: str) -> str | None:
    """None where the server does not know its address (server.public_url)."""
    return f"{public_url.rstrip('/')}{PAGE}#{purpose}={token}" if public_url else None


def first_owner_link(address: str, token: str) -> str:
    """To the page that makes the first owner, of the server at `address`."""
    return f"{address.rstrip('/')}/setup#{token}"
