"""Inputs that broke servers before. Each is told from the others by its name in the test's id."""

from tests.often import FUZZ

LEVELS = 200_000 * min(FUZZ, 5)

BROKEN_JSON: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  \n",
    "not JSON": b"name=value",
    "truncated": b'{"name": "a',
    "trailing comma": b'{"name": "a",}',
    "two values": b'{"name": "a"} {}',
    "5,000 levels of arrays": b"[" * 5000 + b"]" * 5000,
    "5,000 levels of objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "5,000 levels in a field": b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "the most levels": b"[" * LEVELS + b"]" * LEVELS,
    "the most levels, never closed": b'{"data":' * LEVELS,
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "lone high surrogate": b'{"name": "\\ud800"}',
    "lone low surrogate": b'{"name": "a\\udc00b"}',
    "lone surrogate as a name": b'{"\\ud800": 1}',
    "surrogates in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "control character": b'{"name": "a\x01"}',
    "NUL after": b'{"name": "a"}\x00',
    "single quotes": b"{'name': 'a'}",
    "comment": b'{"name": "a"} // x',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "gzip that says it is not": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
"""Refused wherever JSON is taken, documents included, but for halves."""

HALVES = frozenset({"lone high surrogate", "lone low surrogate", "lone surrogate as a name"})
"""Those of BROKEN_JSON that documents may hold."""

MENDABLE = frozenset({
    "NaN", "Infinity", "lone high surrogate", "lone low surrogate", "lone surrogate as a name", "surrogates in UTF-8",
    "invalid UTF-8", "overlong UTF-8", "byte order mark", "control character",
})  # fmt: skip
"""Those of BROKEN_JSON that events are mended of."""

ODD_JSON: dict[str, bytes] = {
    "null": b"null",
    "number": b"1",
    "text": b'"a"',
    "array": b"[]",
    "object without anything": b"{}",
    "array of nulls": b"[null,null]",
    "5,000-digit integer": b"9" * 5000,
    "5,000-digit integers in fields": b'{"name": ' + b"9" * 5000 + b', "limit": -' + b"9" * 5000 + b"}",
    "1e400": b'{"name": 1e400, "page_size": 1e400, "tolerance": -1e400}',
    "minus zero": b'{"name": -0, "limit": -0.0}',
    "a name twice": b'{"name": "a", "name": "b", "data": 1, "data": 2}',
    "20,000 names": b"{" + b",".join(b'"%d":1' % (i * (2**61 - 1)) for i in range(20_000)) + b"}",
    "an endless name": b'{"' + b"a" * 500_000 + b'": 1}',
    "an endless text": b'{"name": "' + b"a" * 500_000 + b'"}',
    "dunder fields": b'{"__class__": "a", "__proto__": {"admin": true}, "constructor": 1}',
    "others' fields": b'{"id": 1, "project_id": 1, "project": 2, "account": 1, "created_at": 0, "scopes": ["admin"]}',
}
"""Valid JSON; some of it is a good document. Never a 5xx."""

TEXTS: dict[str, str] = {
    "empty": "",
    "space": " ",
    "slash": "a/b",
    "dots": "../../etc/passwd",
    "NUL": "a\0b",
    "newline": "a\r\nSet-Cookie: x=1",
    "escape": "\x1b[31mred",
    "right to left": "\u202egnp.exe",
    "zero width": "a\u200bb",
    "combining": "a" + "\u0301" * 500,
    "emoji": "\N{WHALE}\N{FAMILY}",
    "noncharacter": "\uffff\U0010ffff",
    "line separator": "a\u2028b",
    "endless": "a" * 100_000,
    "endless whales": "\N{WHALE}" * 20_000,
    "quote": "'; DROP TABLE project; --",
    "like": "%_%",
    "markup": "<img src=x onerror=alert(1)>",
    "format": "%s%n{0}{__class__}$(id)`id`",
    "number": "9" * 5000,
    "float": "1e400",
    "nan": "NaN",
    "an id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "nearly an id": "01890a5dac96774bbcceb302099a8057",
    "time": "2026-02-30T00:00:00Z",
    "time far ahead": "9999-12-31T23:59:59.999999999Z",
    "time before time": "0000-00-00",
    "time with an absurd zone": "2026-01-01T00:00:00+99:99",
    "first day in the east": "0001-01-01T00:00:00+14:00",
    "age": "999999999w",
    "pointer": "/~2/~",
    "deep pointer": "/a" * 5000,
    "bracket": "/[a=b/[[]",
    "backslash": "\\..\\..",
}
"""Put into query parameters, path segments and text fields. Never a 5xx."""

VALUES: dict[str, object] = {
    "null": None,
    "true": True,
    "negative": -1,
    "2^63": 2**63,
    "-2^63-1": -(2**63) - 1,
    "2^64": 2**64,
    "float": 1.5,
    "array": [],
    "nested": [[{}]],
    "object": {},
    "object of objects": {"a": {"b": [1]}},
}
"""Put in place of each value of a request's example. Never a 5xx."""

HEADERS: list[tuple[bytes, bytes]] = [
    (b"host", b"evil.example"),
    (b"host", b'a"b<c>'),
    (b"host", b""),
    (b"host", b"a:99999"),
    (b"host", b"[::1"),
    (b"x-forwarded-for", b"\xff, 6.6.6.6, ::1, [::1, 1.2.3.4:x"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-request-id", b"a\tb\xff"),
    (b"x-request-id", b"a" * 5000),
    (b"authorization", b"Bearer"),
    (b"authorization", b"Basic YTpi"),
    (b"authorization", b"Bearer \xff\x00"),
    (b"authorization", b"Bearer dk_proj_" + b"a" * 60_000),
    (b"x-api-key", b""),
    (b"x-api-key", "\N{WHALE}".encode()),
    (b"x-api-key", b"dk_write_a_b"),
    (b"content-type", b""),
    (b"content-type", b"application/json; charset=\xff"),
    (b"content-type", b"application/json; ;;; = ; charset"),
    (b"content-type", b"a" * 5000),
    (b"content-length", b"-1"),
    (b"content-length", b"9" * 5000),
    (b"content-encoding", b"\xff"),
    (b"content-encoding", b"gzip, zstd"),
    (b"accept-encoding", b"gzip;q=" + b"9" * 5000),
    (b"accept-encoding", b",;=\xff" * 1000),
    (b"accept", b"text/html;q=x, \xff"),
    (b"accept", b"text/csv;q=\xb2"),
    (b"accept-encoding", b"gzip;q=\xb2"),
    (b"if-none-match", b'W/"\xff, "'),
    (b"if-none-match", b'"' * 5001),
    (b"idempotency-key", b"\xff"),
    (b"idempotency-key", b"a" * 5000),
    (b"cookie", b"a=b; \xff=\xff; ;;="),
    (b"range", b"bytes=99999999999-"),
    (b"expect", b"nothing"),
]
"""Sent in place of the good one. Never a 5xx."""
