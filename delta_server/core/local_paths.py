"""Where a browser may be sent on to: paths of this server, never another one."""

import re

_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]{0,999})?")


def local_path(text: str, *, otherwise: str = "/") -> str:
    """The path with its query, `otherwise` for what is not one or might name another server:
    `//other`, `/\\other`, `https:other`, signs that browsers drop."""
    return text if _LOCAL.fullmatch(text) else otherwise
