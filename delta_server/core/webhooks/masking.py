"""What is shown of a receiver's answer, and of where it is: no secret of it."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

EXCERPT_BYTES = 1024
_MASK = "***"
_SHORTEST = 6
"""Shorter values stand in ordinary text too."""
_LOOKS_SECRET = re.compile(
    r"(?:whsec_|dk_(?:proj|user|write)_)[A-Za-z0-9+/=_-]{8,}|(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"
)


def excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """The first EXCERPT_BYTES as text, without the secrets that the request brought: receivers in trouble repeat what
    they were sent."""
    text = body[: 2 * EXCERPT_BYTES].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    for secret in sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return _LOOKS_SECRET.sub(_MASK, text).encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")


def place(url: str) -> str:
    """Scheme, host, and the path where it is one plain word: with many receivers the rest of it is the secret."""
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):  # of Apprise: all of it may be a token
        return f"{parts.scheme}://..."
    origin = f"{parts.scheme}://{parts.netloc}"
    if not parts.query and _PLAIN.fullmatch(parts.path):
        return f"{origin}{parts.path}"
    return f"{origin}/..."


_PLAIN = re.compile(r"/?|/[a-z][a-z_-]{0,31}/?", re.IGNORECASE)
