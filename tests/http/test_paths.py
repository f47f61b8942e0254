from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.http.paths import routing_path, segment_text


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/endpoints/users", "/v1/endpoints/users"),
        (b"/v1/endpoints/GET%20%2Fprices", "/v1/endpoints/GET %2Fprices"),
        (b"/v1/endpoints/GET%20%2fprices/history?path=%2Fa", "/v1/endpoints/GET %2Fprices/history"),
        (b"/v1/endpoints/50%25", "/v1/endpoints/50%25"),
        (b"/v1/endpoints/a%252Fb", "/v1/endpoints/a%252Fb"),
        (b"/v1/endpoints/%F0%9F%90%8B", "/v1/endpoints/\N{WHALE}"),
        (b"/v1/endpoints/%FF", "/v1/endpoints/\N{REPLACEMENT CHARACTER}"),
        (b"/v1/endpoints/%zz", "/v1/endpoints/%25zz"),
        (b"/v1/endpoints/=../history", "/v1/endpoints/=../history"),
        (b"/v1/endpoints/%3D..", "/v1/endpoints/%3D.."),
        (b"/v1/endpoints/a%3D..", "/v1/endpoints/a=.."),
    ],
)
def test_a_path_is_decoded_within_its_segments(raw: bytes, path: str) -> None:
    assert routing_path(raw) == path


@pytest.mark.parametrize(
    ("segment", "name"),
    [("=.", "."), ("=..", ".."), ("=...", "=..."), ("%3D.", "=."), ("%3D..", "=.."), ("a=.", "a=.")],
)
def test_names_that_browsers_take_for_folders(segment: str, name: str) -> None:
    assert segment_text(routing_path(segment.encode())) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_name_survives_its_way_through_a_path(name: str) -> None:
    path = routing_path(f"/v1/endpoints/{quote(name, safe='')}/history".encode())
    assert path.count("/") == 4
    assert segment_text(path.split("/")[3]) == name
