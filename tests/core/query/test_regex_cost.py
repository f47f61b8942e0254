import pytest

from delta_server.core.query.regex_cost import cost


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("a{50}", 50),
        ("a{2,50}b", 51),
        ("a{2,}", 2),
        ("a{0}", 1),
        ("(ab{3}){10}", 40),
        ("((a{9}){9}){9}", 729),
        ("[a-z]{8}-[0-9a-f]{4}", 13),
        ("[]{9}]{3}", 3),
        ("[^]a]{3}", 3),
        ("[[:alpha:]_]{3}", 3),
        (r"[\]]{3}", 3),
        (r"\x{10FF}{2}\pL{3}", 6),
        (r"\p{Greek}{2}", 2),
        (r"\{9\}", 3),
        ("a{x}", 4),
        ("a)b(", 2),
        ("[a", 1),
        ("a{9999999999999}", 999999999),
    ],
)
def test_repetitions_are_written_out(pattern: str, size: int) -> None:
    assert cost(pattern) == size
