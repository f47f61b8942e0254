"""TLS without a proxy: a certificate and its key from files, which are read again when they were renewed."""

import ssl
from pathlib import Path
from typing import Any

import structlog

from delta_server.core.errors import DeltaError

log = structlog.get_logger("delta.server")

_SPEAKS_TLS = b"this port speaks HTTPS: ask it by https://"
_HINT = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_SPEAKS_TLS),
    _SPEAKS_TLS,
)


class CertificateRefused(DeltaError):
    """The files cannot be used; the message says why."""


class Certificate:
    """`context` is what each connection begins with; what is renewed counts for the next one."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises CertificateRefused."""
        self._files = certificate, key
        self._seen = self._look()
        self.context = _context()
        self._load()

    def look(self) -> None:
        """Take what was renewed. A pair that cannot be used is reported once, and the one before stays: of two files
        that are replaced one after the other the first does not fit yet."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._load()
        except CertificateRefused as error:
            log.error("the renewed certificate is not used", reason=error.message)
        else:
            log.info("the certificate was renewed", certificate=str(self._files[0]))

    def _load(self) -> None:
        certificate, key = self._files
        try:
            for context in (_context(), self.context):  # tried on another first: it may be half replaced
                context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise CertificateRefused(f"TLS by {certificate} and {key}: {reason}") from None

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for path in self._files]


class _Handshake(ssl.SSLObject):
    """Answers who does not begin one but sends an HTTP request as it is, which OpenSSL knows by its method (GET, HEAD,
    POST, PUT). What comes behind it ends the connection, and so does silence."""

    unsent: ssl.MemoryBIO | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason != "HTTP_REQUEST" or self.unsent is None:
                raise
            self.unsent.write(_HINT)
            self.unsent = None
            raise ssl.SSLWantReadError from None  # as in the middle of a handshake: what is to be sent is sent


class _Context(ssl.SSLContext):
    sslobject_class = _Handshake

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, *args, **options)
        assert isinstance(made, _Handshake)
        made.unsent = outgoing
        return made


def _context() -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted: write it without a password, readable by the server's user alone")


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()  # followed: a renewal may change what a link leads to
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
