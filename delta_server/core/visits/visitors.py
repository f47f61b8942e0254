"""Who visits, without a cookie: a hash that says the same for a day, and nothing once the day's salt is deleted."""

import hashlib

SALT_BYTES = 32
DAY_MS = 86_400_000
_ID_BYTES = 12


def day_of(at_ms: int) -> int:
    """Days since 1970, in UTC."""
    return at_ms // DAY_MS


def visitor_id(salt: bytes, site: str, address: str, user_agent: str) -> str:
    """24 hexadecimal digits. The address cannot be found again by trying all of them: for that takes the salt."""
    parts = (part.encode(errors="replace") for part in (site, address, user_agent))
    framed = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hashlib.blake2b(framed, digest_size=_ID_BYTES, key=salt).hexdigest()
