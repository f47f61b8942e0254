"""Which entries of the record index tell of a place, and how surely."""

import pytest

from delta_server.core.history import life_search
from delta_server.core.history.lives import ADDED, ANYTHING, ELEMENTS, KEYLESS, REPLACED
from delta_server.core.history.records import ROOT, Point

LEAF = Point(ROOT, "/a/b", None)
ARRAY = Point(ROOT, "/a/b", ("id",))
BY_ID, BY_SKU = ELEMENTS + "id", ELEMENTS + "sku"

CERTAINTY = [
    (LEAF, "/a/b", REPLACED, True),
    (LEAF, "/a/b", ADDED, True),
    (LEAF, "/a/b", ANYTHING, None),
    (LEAF, "/a/b", BY_ID, None),
    (LEAF, "/a", REPLACED, None),
    (LEAF, "/a", ANYTHING, None),
    (LEAF, "/a", BY_ID, False),
    (LEAF, "", REPLACED, None),
    (LEAF, "/a/b/c", REPLACED, None),
    (LEAF, "/a/bc", REPLACED, False),
    (LEAF, "/a/c", REPLACED, False),
    (LEAF, "/c", ANYTHING, False),
    (ARRAY, "/a/b", BY_ID, False),
    (ARRAY, "/a/b", BY_SKU, None),
    (ARRAY, "/a/b", KEYLESS, None),
    (ARRAY, "/a/b", REPLACED, None),
    (ARRAY, "/a/b/c", REPLACED, False),
    (ARRAY, "/a", REPLACED, None),
    (ARRAY, "/c", REPLACED, False),
    (Point(ROOT, "/a/0/b", None), "/a", BY_ID, None),
]


@pytest.mark.parametrize(("point", "place", "what", "wanted"), CERTAINTY)
def test_what_an_entry_tells(point: Point, place: str, what: str, wanted: bool | None) -> None:
    assert life_search._certainty(point, place, what) is wanted


def test_the_places_above_one() -> None:
    assert list(life_search._above("/a/b/c")) == ["/a/b", "/a", ""]
    assert list(life_search._above("")) == []
