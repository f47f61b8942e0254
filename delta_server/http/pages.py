"""A failure as a page, at the addresses that browsers go to as pages: there JSON says nothing to people."""

from html import escape
from http import HTTPStatus
from typing import Any

from litestar import Request

FOR_PEOPLE = "for_people"
"""In the `opt` of a route whose failures people see."""
HEADERS = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'", "x-frame-options": "DENY"}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Delta</title>
<main>
<h1>{title}</h1>
<p role="alert">{message}</p>
<p><a href="{home}signin">Back to the sign-in</a></p>
<p><small>Request {request_id}</small></p>
</main>
</html>
"""


def is_wanted(request: Request[Any, Any, Any]) -> bool:
    handler = request.scope.get("route_handler")
    return bool(handler and handler.opt.get(FOR_PEOPLE)) and "text/html" in request.headers.get("accept", "")


def of_failure(request: Request[Any, Any, Any], status: int, message: str) -> str:
    return _PAGE.format(
        title=escape(HTTPStatus(status).phrase),
        message=escape(message[:1].upper() + message[1:]),
        home="../" * (request.scope["raw_path"].count(b"/") - 1),
        request_id=escape(request.scope["state"]["request_id"]),
    )
