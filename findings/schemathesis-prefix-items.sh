#!/usr/bin/env bash
# schemathesis 4.32.5 refuses to check answers against a valid OpenAPI 3.1 document that describes a tuple by
# `prefixItems` (JSON Schema 2020-12, which 3.1 is): it rewrites it to `items` with a list, a form of earlier drafts, and
# then finds its own rewriting invalid: "Invalid Schema Object in response definition". So an API whose answers have pairs
# by position cannot be tested with it; objects with named members can. Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install schemathesis==4.32.5 openapi-spec-validator==0.7.2
"$work/venv/bin/python" - <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import requests
import schemathesis
from openapi_spec_validator import validate

INTEGER = {"type": "integer"}
PAIR = {"type": "array", "prefixItems": [INTEGER, INTEGER], "minItems": 2, "maxItems": 2, "items": False}
NAMED = {"type": "object", "properties": {"arrived": INTEGER, "failed": INTEGER}, "required": ["arrived", "failed"]}


def serve(body):
    """The address of a server that answers one request with `body`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.handle_request, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/counts"


def checked(schema, body):
    """What checking `body` against the schema of an answer says; None when it fits."""
    content = {"application/json": {"schema": {"type": "array", "items": schema}}}
    responses = {"200": {"description": "counts", "content": content}}
    paths = {"/counts": {"get": {"responses": responses}}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}
    validate(document)
    operation = schemathesis.openapi.from_dict(document)["/counts"]["GET"]
    response = requests.get(serve(body), timeout=10)
    try:
        operation.validate_response(response)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


pairs, named = checked(PAIR, b"[[4, 0]]"), checked(NAMED, b'[{"arrived": 4, "failed": 0}]')
print(f"schemathesis {version('schemathesis')}; openapi-spec-validator finds both documents valid")
print(f"[[4, 0]] by prefixItems: {pairs}")
print(f"the same by names: {named}")
sys.exit(0 if pairs is not None and "Invalid Schema" in pairs and named is None else 1)
PYTHON
