"""Keeps a percent-encoded slash inside its path segment, so that names such as `GET /prices` fit into a URL.

Servers decode the whole path before routing, and `/v1/endpoints/GET%20%2Fprices` would become two segments. Routing
therefore runs on `routing_path(raw_path)`: each segment decoded, but `/` and `%` in it written as `%2F` and `%25`.
`segment_text` undoes that for a path parameter that holds a name; an id holds neither and needs nothing.

Browsers take the segments `.` and `..` out of a path, however they are encoded: such a name is sent as `=.` or `=..`.
One that is `=.` itself comes as `%3D.`, for who encodes names encodes that sign.
"""

from urllib.parse import unquote

_DOTS = ("=.", "=..")


def routing_path(raw_path: bytes) -> str:
    """The path to route by, of the request target as it came (a query string is left out)."""
    text = raw_path.partition(b"?")[0].decode("latin-1")
    if "%" not in text:
        return text
    return "/".join(map(_decoded, text.split("/")))


def _decoded(segment: str) -> str:
    text = unquote(segment).replace("%", "%25").replace("/", "%2F")
    return text.replace("=", "%3D") if text in _DOTS and not segment.startswith("=") else text


def segment_text(segment: str) -> str:
    """The name a path parameter holds."""
    if segment in _DOTS:
        return segment[1:]
    return segment.replace("%2F", "/").replace("%3D", "=").replace("%25", "%")
