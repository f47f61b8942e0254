"""Asks this server itself, at the address it listens at or the public one: for the commands `healthcheck`, `doctor`."""

import http.client
import ssl
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from delta_server.core.errors import DeltaError

_MOST_BYTES = 1 << 16
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened at


class NoAnswer(DeltaError):
    """Nothing that is a server answered; the message says what happened."""


class OwnAnswer(msgspec.Struct, frozen=True):
    """`clock_off_s` is how far the answer's Date is from the clock here, None without one; `certificate_days` how long
    the certificate stays valid, None without TLS."""

    status: int
    body: bytes
    clock_off_s: float | None
    certificate_days: float | None


def address_of(host: str, port: int, *, tls: bool = False) -> str:
    """Where one listens who listens at `host`."""
    host, scheme = _EVERYWHERE.get(host, host), "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def get(url: str, *, seconds: float, certificate: str = "") -> OwnAnswer:
    """One request, without proxies or redirects. With a file `certificate` the server is whoever has that one, whatever
    name is in it. Raises NoAnswer."""
    try:
        connection = _connection(url, seconds, certificate)
    except OSError as error:
        raise NoAnswer(f"{certificate}: {error.strerror or error}") from None
    parts = urlsplit(url)
    try:
        connection.request("GET", parts.path or "/", headers={"user-agent": "delta-server"})
        days = _days_left(connection.sock)
        answer = connection.getresponse()
        return OwnAnswer(answer.status, answer.read(_MOST_BYTES), _clock_off(answer.getheader("date")), days)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"{url}: the certificate is not accepted: {error.verify_message}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoAnswer(f"{url} does not answer: {reason}") from None
    finally:
        connection.close()


def _connection(url: str, seconds: float, certificate: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme != "https":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    context = ssl.create_default_context(cafile=certificate or None)
    if certificate:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=context)


def _days_left(channel: object) -> float | None:
    if not isinstance(channel, ssl.SSLSocket):
        return None
    until = (channel.getpeercert() or {}).get("notAfter")
    return (ssl.cert_time_to_seconds(until) - time.time()) / 86_400 if isinstance(until, str) else None


def _clock_off(date: str | None) -> float | None:
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return None
