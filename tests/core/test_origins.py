import pytest

from delta_server.core import origins
from delta_server.core.errors import Invalid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "https://",
        "https://shop.example/",
        "https://shop.example/page",
        "https://shop.example?x",
        "https://user@shop.example",
        "https://shop.example:",
        "https://shop.example:0",
        "https://shop.example:65536",
        "https://*.shop.example",
        "https://shop.example https://other.example",
        "https://shop.example\n",
        "https://b\u00fccher.example",
        "null",
        "**",
        "https://" + "a" * 1_000_000,
    ],
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(Invalid, match="is not an origin") as caught:
        origins.check(["https://shop.example", text])
    assert caught.value.errors[0].field == "origins[1]"
    assert len(caught.value.message) < 300


def test_too_many() -> None:
    with pytest.raises(Invalid, match="at most 100"):
        origins.check(f"https://{n}.example" for n in range(101))


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ([], ()),
        (["*"], ("*",)),
        (["https://Shop.Example", "https://shop.example:443"], ("https://shop.example",)),
        (["http://a:80", "http://a:443", "http://a:08080"], ("http://a", "http://a:443", "http://a:8080")),
        (["http://localhost:3000", "http://127.0.0.1"], ("http://localhost:3000", "http://127.0.0.1")),
        (["http://[::1]:8080", "capacitor://localhost"], ("http://[::1]:8080", "capacitor://localhost")),
    ],
)
def test_origins_are_kept_as_browsers_write_them(wanted: list[str], kept: tuple[str, ...]) -> None:
    assert origins.check(wanted) == kept


def test_what_is_allowed() -> None:
    assert origins.allows(("*",), "null")
    assert origins.allows(("https://a.example",), "https://a.example")
    for other in ("http://a.example", "https://a.example:444", "https://b.a.example", "https://a.example.evil", "null"):
        assert not origins.allows(("https://a.example",), other)
    assert not origins.allows((), "https://a.example")
