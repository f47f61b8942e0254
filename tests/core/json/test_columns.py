import msgspec
import pytest

from delta_server.core.json import columns, pointer


@pytest.mark.parametrize(
    ("array", "paths", "wanted"),
    [
        ('[{"a":1,"x":[{}]},{"x":2,"a":"1"}]', (("a",),), [1, "1"]),
        ('[{"a":1,"b":"x"},{"a":2,"b":"y"}]', (("a",), ("b",)), [(1, "x"), (2, "y")]),
        ('[{"p":{"id":7}},{"p":{"id":8}}]', (("p", "id"),), [7, 8]),
        ('[{"p":{"id":7,"n":"x"}}]', (("p", "id"), ("p", "n")), [(7, "x")]),
        ("[]", (("a",),), []),
        ('[{"a":1},{"b":2}]', (("a",),), None),
        ('[{"a":1},7]', (("a",),), None),
        ('[{"a":null}]', (("a",),), None),
        ('[{"a":true}]', (("a",),), None),
        ('[{"a":1.5}]', (("a",),), None),
        (r'[{"a\"":1,"\u0000":"x"},{"a\"":2,"\u0000":"y"}]', (('a"',), ("\0",)), [(1, "x"), (2, "y")]),
        (r'[{"a\"":1},{"b":2}]', (('a"',),), None),
        (r'[{"a\\":{"\n":7}}]', (("a\\", "\n"),), [7]),
        (r'[{"a\\":7}]', (("a\\", "\n"),), None),
        (r'[{"b":7}]', (("a\\", "\n"),), None),
        ("[7]", (("\x1f",),), None),
    ],
)
def test_columns(array: str, paths: columns.Paths, wanted: object) -> None:
    assert columns.of(array.encode(), paths) == wanted


def test_each_element_alone_by_names_that_a_struct_cannot_have() -> None:
    elements = [b'{"a\\"":1.5}', b"{}", b"7", b'{"a\\"":null}', b'{"a\\"":"x"}']
    assert columns.partial(elements, (('a"',),)) == [b"15e-1", None, None, None, "x"]
    assert columns.partial(elements, (('a"',), ("b",))) == [None] * 5


NUMBERS = [
    "7",
    "70",
    "7.0",
    "7e0",
    "70e-1",
    '"7"',
    '"\\u0037"',
    "-7",
    "true",
    "null",
    "[7]",
    "{}",
    "7.00000000000000000001",
]


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("step", ["[n=7]", '[n="7"]', "[n=7.0]", "[n=-7]", "[n=70,k=1]", "[n=7,k=a]"])
def test_an_element_is_found_however_its_key_is_read(step: str, regular: bool) -> None:
    """Arrays of plain elements are read by columns, others element by element; what is found is the same."""
    for number in NUMBERS:
        element = f'{{"n":{number},"k":1}}'
        array = f'[{{"n":1,"k":1}},{element}{"" if regular else ",null"}]'.encode()
        found = pointer.resolve(array, pointer.parse(f"/{step}"))
        alone = pointer.resolve(f"[{element},null]".encode(), pointer.parse(f"/{step}"))
        assert found == alone, number
        if found is not None:
            assert bytes(found) == element.encode()


def test_the_number_goes_before_the_string() -> None:
    array = b'[{"n":"7"},{"n":7.0},{"n":7}]'
    assert pointer.resolve(array, pointer.parse("/[n=7]")) == msgspec.Raw(b'{"n":7.0}')
    assert pointer.resolve(array, pointer.parse('/[n="7"]')) == msgspec.Raw(b'{"n":"7"}')
