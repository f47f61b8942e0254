"""Signatures: vectors of the Standard Webhooks library, and what is refused as a secret."""

import hashlib
import hmac
import time
from importlib import import_module

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.webhooks import signing

FIRST = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
SECOND = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
BODY = b'{"type":"snapshot.created","data":{"id":"s1"}}'

VECTORS = [
    (FIRST, "msg_2delta0001", 1790000000, BODY, "v1,alIQ8xRs+AwM9pvK90UJFFHyArJsMAFPg35/iwi/vyo="),
    (FIRST, "msg_2delta0002", 1790000060, b"", "v1,xXaIAx6aSFWqoYBQep9SrCHFZuLd99Wga36dAsTsLyI="),
    (
        FIRST,
        "msg_2delta0003",
        1790000120,
        '{"text":"Zürich ✓"}'.encode(),
        "v1,12MtdeSWMOEjlKoMwPyT4BPORFZxWZjXttrJ7nXtQZU=",
    ),
    (SECOND, "msg_2delta0001", 1790000000, BODY, "v1,YgpnJtBEU3eWXz9fENP+NvPsLO9N7FcrvhjVUr5iNbU="),
]


@pytest.mark.parametrize(("secret", "id", "at", "body", "wanted"), VECTORS)
def test_vectors(secret: str, id: str, at: int, body: bytes, wanted: str) -> None:
    assert signing.headers([secret], id, at, body)["webhook-signature"] == wanted


@pytest.mark.parametrize("library", ["standardwebhooks", "svix"])
@pytest.mark.parametrize("secret", [FIRST, SECOND])
def test_libraries_verify_with_either_secret_while_it_rotates(library: str, secret: str) -> None:
    webhook = import_module(f"{library}.webhooks").Webhook(secret)
    headers = signing.headers([SECOND, FIRST], "m1", int(time.time()), BODY)
    webhook.verify(BODY, headers)
    with pytest.raises(Exception, match=r"(?i)signature"):
        webhook.verify(BODY + b" ", headers)


def test_the_plain_header_is_as_githubs() -> None:
    body = b'{"action":"opened","number":7}'
    headers = signing.headers([FIRST], "m1", 1, body)
    assert headers["x-signature-256"] == "sha256=" + hmac.new(FIRST.encode(), body, hashlib.sha256).hexdigest()


REFUSED = {
    "without its prefix": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    "too short": "whsec_AAECAwQF",
    "too long": "whsec_" + "AAAA" * 22,
    "the other alphabet": "whsec_" + "_-_-" * 8,
    "no padding": "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM",
    "not ASCII": "whsec_äöü",
    "nothing": "",
}


@pytest.mark.parametrize("secret", REFUSED.values(), ids=REFUSED)
def test_what_is_no_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(Invalid) as refused:
        signing.check_secret(secret)
    assert not secret or secret not in refused.value.message


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_any_allowed_size(size: int) -> None:
    text = signing.secret_text(bytes(range(100, 100 + size)))
    assert signing.check_secret(text) == text
