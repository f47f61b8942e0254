"""Ways of signing in beside passwords: the sections within `auth`, and what of them contradicts other options."""

from collections.abc import Iterator

import msgspec

from delta_server.core import destinations
from delta_server.core.destinations import Url
from delta_server.core.option_types import HeaderName, Secret


class TrustedHeader(msgspec.Struct, frozen=True):
    header: HeaderName = ""
    auto_create: bool = False


class Oidc(msgspec.Struct, frozen=True):
    issuer: str = ""
    client_id: str = ""
    client_secret: Secret = ""
    name: str = "single sign-on"
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    auto_create: bool = False
    trust_email: bool = False
    allowed_domains: tuple[str, ...] = ()
    groups_claim: str = "groups"
    owner_groups: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    member_groups: tuple[str, ...] = ()


def problems(
    trusted_header: TrustedHeader,
    oidc: Oidc,
    *,
    registration: str,
    mails: bool,
    trusted_proxies: tuple[str, ...],
    public_url: str,
) -> Iterator[tuple[str, str]]:
    """(option, what is wrong with it) of values that are right by themselves. `mails` says that addresses are confirmed
    by one."""
    name = "auth.trusted_header.header"
    if trusted_header.header and not trusted_proxies:
        yield (
            name,
            "is believed of server.trusted_proxies only, and none are set: name the networks of the proxy there",
        )
    if trusted_header.header and registration == "open" and not mails:
        yield (
            name,
            'cannot stand beside auth.registration = "open" without [smtp]: anybody could register an address'
            " before the proxy names it, and share the account by the password",
        )
    if oidc.issuer:
        yield from _problems_of(oidc, public_url)


def _problems_of(oidc: Oidc, public_url: str) -> Iterator[tuple[str, str]]:
    url = destinations.parse(oidc.issuer)
    if url is None or "?" in url.target or (url.scheme == "http" and not is_this_machine(url)):
        yield "auth.oidc.issuer", "expected the provider's https address, as its configuration document says it"
    if not oidc.client_id:
        yield "auth.oidc.client_id", "expected what the provider calls this server, as auth.oidc.issuer is set"
    if not public_url:
        yield (
            "server.public_url",
            "is what the provider sends browsers back to, and wanted beside auth.oidc.issuer: write the address that"
            " people's browsers use",
        )
    if "openid" not in oidc.scopes:
        yield "auth.oidc.scopes", "expected openid among them, or the provider would not say who signed in"


def is_this_machine(url: Url) -> bool:
    """Where there is nobody on the way, and TLS is not wanted."""
    return url.host in ("localhost", "127.0.0.1", "::1")
