import httpx
import pytest

from delta_server.http.conditional import matches
from tests.http.sample import TAG


@pytest.mark.parametrize(
    ("header", "same"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (' "a" ', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ('"b","a,c"', False),
        ('"a,c", "a"', True),
        ("a", False),
        ('"A"', False),
        ('"b"', False),
        ('w/"a', False),
        ('"b", ' * 1600 + '"a"', True),  # 8 kB
        ('"b", ' * 1700 + '"a"', False),
    ],
)
def test_if_none_match(header: str | None, same: bool) -> None:
    assert matches(header, '"a"') is same
    assert matches(header, 'W/"a"') is same


async def test_304(sample_client: httpx.AsyncClient) -> None:
    full = await sample_client.get("/v1/sample/tagged")
    assert (full.status_code, full.content, full.headers["etag"]) == (200, b"[1]", TAG)
    assert full.headers["cache-control"] == "private, no-cache"
    for method in ("GET", "HEAD"):
        same = await sample_client.request(method, "/v1/sample/tagged", headers={"if-none-match": f"W/{TAG}"})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", TAG)
        assert same.headers["vary"] == "accept-encoding"
        assert "content-encoding" not in same.headers
