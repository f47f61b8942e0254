"""Ways of signing in beside passwords: the sections within `auth`, and what of them contradicts other options."""

from collections.abc import Iterator

import msgspec

from delta_server.core.option_types import HeaderName


class TrustedHeader(msgspec.Struct, frozen=True):
    header: HeaderName = ""
    auto_create: bool = False


def problems(
    trusted_header: TrustedHeader, *, registration: str, trusted_proxies: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """(option, what is wrong with it) of values that are right by themselves."""
    name = "auth.trusted_header.header"
    if trusted_header.header and not trusted_proxies:
        yield (
            name,
            "is believed of server.trusted_proxies only, and none are set: name the networks of the proxy there",
        )
    if trusted_header.header and registration == "open":
        yield (
            name,
            'cannot stand beside auth.registration = "open": anybody could register an address before the proxy names'
            " it, and share the account by the password",
        )
