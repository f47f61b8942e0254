"""What a look at the options finds: values that are allowed, and that nobody should run a server with."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from delta_server.config.sections import Config
from delta_server.core.destinations import is_allowed
from delta_server.core.findings import Finding, ok, problem, warning

_METADATA = "169.254.169.254"
_WIDE_BITS = 8
"""A network of proxies with a shorter prefix is most of the internet."""


def is_local(host: str) -> bool:
    """Whether nobody from another machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def find_proxies(config: Config) -> Finding:
    check, server = "proxy headers", config.server
    wide = [text for text in server.trusted_proxies if ip_network(text, strict=False).prefixlen < _WIDE_BITS]
    if wide:
        return problem(
            check,
            f"server.trusted_proxies has {', '.join(wide)}: anybody may say which address they come from",
            "name the networks of your proxies alone",
        )
    if server.public_url and not server.trusted_proxies:
        return warning(
            check,
            "server.public_url is set and server.trusted_proxies is not: all clients of a proxy count as one",
            'name the proxy: server.trusted_proxies = ["127.0.0.1"], or its network',
        )
    return ok(check, f"believed from {', '.join(server.trusted_proxies) or 'nobody'}")


def find_tls(config: Config) -> Finding:
    check, server = "TLS", config.server
    if server.tls_cert:
        return ok(check, f"by {server.tls_cert}")
    if server.public_url.startswith("https://"):
        return ok(check, f"people come by {server.public_url}")
    host = urlsplit(server.public_url).hostname or server.host
    if is_local(host):
        return ok(check, "not needed: only this machine reaches the server")
    said = f"server.public_url is {server.public_url}" if server.public_url else f"it listens at {server.host}"
    return warning(
        check,
        f"{said}: keys and passwords travel as they are",
        "put a proxy with TLS in front (packaging/Caddyfile) and set server.public_url to its https:// address, or set"
        " server.tls_cert and server.tls_key",
    )


def find_egress(config: Config) -> Iterator[Finding]:
    check, opened = "egress rules", [ip_network(text) for text in config.egress.allow_cidrs]
    wide = [str(network) for network in opened if network.prefixlen == 0]
    if wide:
        yield problem(
            check,
            f"egress.allow_cidrs has {', '.join(wide)}: whoever may poll or have webhooks reaches your whole network",
            "name the networks that are meant",
        )
    elif is_allowed(_METADATA, opened):
        yield problem(
            check,
            f"egress.allow_cidrs opens {_METADATA}, where clouds give credentials to whoever asks",
            "take it out of the list",
        )
    elif any(is_allowed(address, opened) for address in ("127.0.0.1", "::1")):
        yield warning(
            check,
            "egress.allow_cidrs opens this machine itself, with what listens on it for itself alone",
            "name single addresses of other machines where you can",
        )
    else:
        yield ok(check, f"public addresses{', and ' + ', '.join(map(str, opened)) if opened else ' only'}")
