"""The text of a body: by its byte order mark, the charset of its Content-Type, what an XML declaration says, or UTF-8.

Names of character sets are those of the WHATWG (encoding.spec.whatwg.org), among which browsers choose too: `latin1`
and `ascii` are windows-1252. Python knows more, among them some that are no character sets (`zip`, `rot13`, `idna`).
"""

import re
from collections.abc import Mapping

from delta_server.core.formats.bounds import NotReadable

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"),
          (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))  # fmt: skip
_ONE_BYTE = "windows-1252"
_ALIASES: Mapping[str, str] = {
    "utf8": "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-16": "utf-16-le", "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be", "utf-32": "utf-32-le", "utf-32le": "utf-32-le", "utf-32be": "utf-32-be",
    "latin1": _ONE_BYTE, "latin-1": _ONE_BYTE, "iso-8859-1": _ONE_BYTE, "iso8859-1": _ONE_BYTE, "l1": _ONE_BYTE,
    "us-ascii": _ONE_BYTE, "ascii": _ONE_BYTE, "cp1252": _ONE_BYTE, "x-sjis": "shift_jis", "sjis": "shift_jis",
    "windows-31j": "cp932", "gb2312": "gbk", "gb_2312-80": "gbk", "ks_c_5601-1987": "euc-kr",
    "iso-8859-9": "windows-1254",
    "x-mac-roman": "macintosh", "tis-620": "windows-874", "windows-874": "cp874",
}  # fmt: skip
_KNOWN = {
    "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "ibm866", "koi8-r", "koi8-u", "macintosh", "cp874",
    "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "cp932", "euc-kr",
    *(f"windows-{page}" for page in range(1250, 1259)), *(f"iso-8859-{part}" for part in range(2, 17) if part != 12),
}  # fmt: skip
_ZEROS: Mapping[tuple[int, ...], str] = {
    (1, 1, 1, 0): "utf-32-be", (0, 1, 1, 1): "utf-32-le", (1, 0, 1, 0): "utf-16-be", (0, 1, 0, 1): "utf-16-le",
}  # fmt: skip
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s;"']+)""", re.I)
_XML_ENCODING = re.compile(rb"""\s*<\?xml\s[^>]{0,80}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


def decode(body: bytes, content_type: str = "") -> str:
    """Without its byte order mark. Raises NotReadable for an unknown character set and for bytes that are not in it."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _decode(body[len(mark) :], name)
    if said := _CHARSET.search(content_type):
        return _decode(body, _known(said[1]))
    if declared := _XML_ENCODING.match(body[:200]):
        name = _known(declared[1].decode())
        return _decode(body, "utf-8" if name.startswith("utf-") else name)
    return _decode(body, _by_zeros(body))


def decode_leniently(body: bytes, content_type: str = "") -> str:
    """As `decode`; what says nothing of its character set and is not UTF-8 is windows-1252, as old files are."""
    if _CHARSET.search(content_type):
        return decode(body, content_type)
    try:
        return decode(body)
    except NotReadable:
        return _decode(body, _ONE_BYTE)


def _known(name: str) -> str:
    lower = name.lower()
    known = _ALIASES.get(lower, lower)
    if known not in _KNOWN:
        raise NotReadable(f"the character set {name[:40]!a} is not known")
    return known


def _by_zeros(body: bytes) -> str:
    """UTF-16 and UTF-32 without a mark, by where their first characters, which are ASCII, have zeros (RFC 4627, 3)."""
    zeros = tuple(int(byte == 0) for byte in body[:4])
    return _ZEROS.get(zeros, "utf-8")


def _decode(body: bytes, name: str) -> str:
    if name == _ONE_BYTE:
        try:
            return body.decode(name)
        except UnicodeDecodeError:  # five bytes are not in it; browsers take them for control characters
            return body.decode("latin-1")
    try:
        return body.decode(name)
    except UnicodeDecodeError as error:
        raise NotReadable(f"the body is not valid {name.upper()} (byte {error.start})") from None
