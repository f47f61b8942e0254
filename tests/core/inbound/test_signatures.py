"""Vectors are the vendors' own: standardwebhooks 1.1, @octokit/webhooks-methods 6.0, stripe 16.1, slack_sdk 3.48 and
@shopify/shopify-api 15.0 made them."""

import base64
import hmac
from collections.abc import Mapping
from typing import Literal

import msgspec
import pytest

from delta_server.core.errors import Invalid, Unauthorized
from delta_server.core.inbound import signatures
from delta_server.core.inbound.signatures import Verification, check, check_secret, delivery_id, kind, verify

FIRST = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
SECOND = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
CREATED = b'{"type":"snapshot.created","data":{"id":"s1"}}'
SIGNED = "v1,alIQ8xRs+AwM9pvK90UJFFHyArJsMAFPg35/iwi/vyo="
SIGNED_BY_SECOND = "v1,YgpnJtBEU3eWXz9fENP+NvPsLO9N7FcrvhjVUr5iNbU="


def _standard(id: str, time: int, signature: str, family: str = "webhook") -> dict[str, str]:
    return {f"{family}-id": id, f"{family}-timestamp": str(time), f"{family}-signature": signature}


STRIPE = b'{"id":"evt_1","object":"event","type":"ping","data":{"object":{}}}'
STRIPE_V1 = "15f5892871891ea44cf1841ad7ee99ce898a715b9dadb07b21bf3d40e24b85c7"
SLACK = {
    "x-slack-signature": "v0=7f9be54981b673a648fbfbbee8befe43ab1f409230f0d3867ca8129358db2b91",
    "x-slack-request-timestamp": "1790000000",
}
GITHUB = "sha256=3cfaa5e6b5e2e8ff02c83a5b33d74de82f22b1e400de3e76018c3498d991660c"
SHOPIFY = "KC41JHSA6e2inm/9W0dMGAkk/U5Z0sO5phyy2wTz86M="


class Vector(msgspec.Struct, frozen=True):
    scheme: signatures.Scheme
    secret: str
    headers: Mapping[str, str]
    body: bytes
    now_s: int = 1790000000


VECTORS = [
    Vector("standard", FIRST, _standard("msg_2delta0001", 1790000000, SIGNED), CREATED),
    Vector("standard", FIRST, _standard("msg_2delta0001", 1790000000, SIGNED, "svix"), CREATED),
    Vector("standard", FIRST[6:], _standard("msg_2delta0001", 1790000000, SIGNED), CREATED),
    Vector("standard", FIRST, _standard("msg_2delta0001", 1790000000, f"{SIGNED_BY_SECOND} v1a,xx  {SIGNED}"), CREATED),
    Vector("standard", SECOND, _standard("msg_2delta0001", 1790000000, SIGNED_BY_SECOND), CREATED),
    Vector(
        "standard",
        FIRST,
        _standard("msg_2delta0002", 1790000060, "v1,xXaIAx6aSFWqoYBQep9SrCHFZuLd99Wga36dAsTsLyI="),
        b"",
    ),
    Vector(
        "standard",
        FIRST,
        _standard("msg_2delta0003", 1790000120, "v1,12MtdeSWMOEjlKoMwPyT4BPORFZxWZjXttrJ7nXtQZU="),
        '{"text":"Zürich ✓"}'.encode(),
    ),
    Vector("github", "delta-test-secret", {"x-hub-signature-256": GITHUB}, b'{"action":"opened","number":7}', 0),
    Vector("stripe", "whsec_test_secret", {"stripe-signature": f"t=1790000000,v1={STRIPE_V1}"}, STRIPE),
    Vector(
        "stripe",
        "whsec_test_secret",
        {"stripe-signature": f"t=1790000000, v1=00,v1={STRIPE_V1},v0=zz"},
        STRIPE,
        1790000299,
    ),
    Vector("slack", "8f742231b10e8888abcd99yyyzzz85a5", SLACK, b"token=abc&text=hi", 1789999701),
    Vector(
        "shopify",
        "hush",
        {"x-shopify-hmac-sha256": SHOPIFY},
        b'{"id":820982911946154508,"email":"jon@example.test"}',
    ),
    Vector(
        "shopify", "hush", {"shopify-hmac-sha256": SHOPIFY}, b'{"id":820982911946154508,"email":"jon@example.test"}'
    ),
]


def _verify(vector: Vector, **changed: object) -> None:
    given = msgspec.structs.replace(vector, **changed)
    verify(Verification(given.scheme), [given.secret], given.headers, given.body, given.now_s * 1000)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.scheme)
def test_signatures_of_vendors_are_theirs(vector: Vector) -> None:
    _verify(vector)
    verify(Verification(vector.scheme), ["bm90IGl0", vector.secret], vector.headers, vector.body, vector.now_s * 1000)
    others: list[dict[str, object]] = [
        {"body": vector.body + b" "},
        {"secret": "bm90IGl0"},
        {"headers": {}},
        {"headers": {name: "0" + value for name, value in vector.headers.items()}},
        {"headers": dict.fromkeys(vector.headers, "ä")},
        {"headers": dict.fromkeys(vector.headers, "=," * 500)},
    ]
    for changed in others:
        with pytest.raises(Unauthorized):
            _verify(vector, **changed)


@pytest.mark.parametrize("vector", [VECTORS[0], VECTORS[8], VECTORS[10]], ids=lambda one: one.scheme)
@pytest.mark.parametrize("off_s", [-301, 301, 86_400])
def test_what_was_signed_long_ago_is_refused(vector: Vector, off_s: int) -> None:
    with pytest.raises(Unauthorized, match="more than 5 minutes from now"):
        _verify(vector, now_s=1790000000 + off_s)


@pytest.mark.parametrize("time", ["", "x", "-1", "1.5", "1" * 30, "٣"])
def test_a_signed_time_that_is_none_is_refused(time: str) -> None:
    signature = "v0=" + hmac.digest(b"s", f"v0:{time}:".encode(), "sha256").hex()
    with pytest.raises(Unauthorized):
        verify(
            Verification("slack"), ["s"], {"x-slack-signature": signature, "x-slack-request-timestamp": time}, b"", 0
        )


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_a_header_of_ones_own(algorithm: Literal["sha1", "sha256", "sha512"]) -> None:
    mac = hmac.digest(b"k", b"b", algorithm)
    for own, signature in (
        (Verification("hmac", "X-Sig", algorithm), mac.hex()),
        (Verification("hmac", "X-Sig", algorithm), mac.hex().upper()),
        (Verification("hmac", "x-sig", algorithm, prefix=f"{algorithm}="), f"{algorithm}={mac.hex()}"),
        (Verification("hmac", "x-sig", algorithm, "base64"), base64.b64encode(mac).decode()),
    ):
        verify(own, ["k"], {"x-sig": signature}, b"b", 0)
        with pytest.raises(Unauthorized):
            verify(own, ["k"], {"x-sig": signature}, b"c", 0)


def test_without_a_scheme_nothing_is_asked() -> None:
    verify(Verification(), [], {}, b"anything", 0)


@pytest.mark.parametrize(
    ("verification", "headers", "members", "expected"),
    [
        (Verification("standard"), {"webhook-id": "msg_1"}, {"type": "a.b"}, ("msg_1", "a.b")),
        (Verification("standard"), {"svix-id": "msg_1"}, {}, ("msg_1", None)),
        (Verification("github"), {"x-github-delivery": "d", "x-github-event": "push"}, {"type": "x"}, ("d", "push")),
        (Verification("stripe"), {}, {"id": "evt_1", "type": "invoice.paid"}, ("evt_1", "invoice.paid")),
        (Verification("slack"), {}, {"event_id": "E1", "type": "event_callback", "event": {"type": "m"}}, ("E1", "m")),
        (Verification("slack"), {}, {"type": "block_actions"}, (None, "block_actions")),
        (Verification("shopify"), {"x-shopify-webhook-id": "w", "x-shopify-topic": "o/c"}, {}, ("w", "o/c")),
        (Verification(id_header="X-Id"), {"x-id": "7"}, {}, ("7", None)),
        (Verification("stripe", id_header="X-Id"), {}, {"id": "evt_1"}, (None, None)),
        (Verification(), {}, {"id": "x", "type": 7}, (None, None)),
        (Verification("stripe"), {}, {"id": 7}, (None, None)),
        (Verification("github"), {"x-github-delivery": "d" * 201}, {}, (None, None)),
    ],
)
def test_which_delivery_it_is_and_what_happened(
    verification: Verification, headers: dict[str, str], members: dict[str, object], expected: tuple[str, str]
) -> None:
    assert (delivery_id(verification, headers, members), kind(verification, headers, members)) == expected


@pytest.mark.parametrize(
    ("verification", "has_secret", "field"),
    [
        (Verification("hmac"), True, "verify.header"),
        (Verification("hmac", "a b"), True, "verify.header"),
        (Verification(id_header="a:b"), True, "verify.id_header"),
        (Verification("github"), False, "verify.secret"),
    ],
)
def test_wrong_settings_are_refused(verification: Verification, has_secret: bool, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(verification, has_secret=has_secret, field="verify")
    assert refused.value.errors[0].field == field


@pytest.mark.parametrize(
    ("scheme", "secret"), [("github", ""), ("github", "x" * 501), ("standard", "whsec_-_"), ("standard", "whsec_")]
)
def test_wrong_secrets_are_refused(scheme: signatures.Scheme, secret: str) -> None:
    with pytest.raises(Invalid):
        check_secret(scheme, secret, field="secret")
