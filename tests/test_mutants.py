"""The changes that `make mutants` makes."""

from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants

CHANGED = [
    ("a < b", ["(a <= b)"]),
    ("a and b", ["(a or b)"]),
    ("not a", ["(a)"]),
    ("a + b", ["(a - b)"]),
    ("f'{a}' + b", []),
    ("'ä' == True", ["('ä' != True)", "'ä' == False"]),
    ("x = 7", ["x = 8"]),
]


@pytest.mark.parametrize(("source", "wanted"), CHANGED)
def test_each_change_is_of_one_place(source: str, wanted: list[str]) -> None:
    found = [mutants.applied(source.encode(), change).decode() for change in mutants.changes(source)]
    assert found == wanted


def test_a_seed_chooses_the_same_changes_again() -> None:
    chosen = mutants.sampled(1, 5, "core/packs/")
    assert chosen == mutants.sampled(1, 5, "core/packs/")
    assert chosen != mutants.sampled(2, 5, "core/packs/")
    assert all(path.is_relative_to("delta_server/core/packs") for path, _ in chosen)


def test_a_file_is_judged_by_its_own_tests() -> None:
    assert mutants.tests_of(Path("delta_server/core/times.py")) == ["tests/core/test_times.py"]
    beside = mutants.tests_of(Path("delta_server/features/deltas/service.py"))
    assert "tests/features/deltas/test_api.py" in beside
    assert {str(Path(test).parent) for test in beside} == {"tests/features/deltas"}
