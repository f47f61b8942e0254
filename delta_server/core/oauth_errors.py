"""Error codes of OAuth (RFC 6749 4.1.2.1 and 5.2) as they may be shown and logged: whoever sends a browser here
can write anything in their place."""

UNKNOWN = "unknown"


def plain(text: str) -> str:
    return text if len(text) <= 60 and text.isascii() and text.replace("_", "").isalpha() else UNKNOWN
