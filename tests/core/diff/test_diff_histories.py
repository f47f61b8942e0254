"""The diff over real histories, judged by jsonpatch."""

import json
import random
from collections import Counter

import jsonpatch
import pytest

from delta_server.core.diff.change_list import changes
from delta_server.core.diff.compare import KnownKeys, diff
from delta_server.core.diff.json_patch import json_patch, merge_patch
from tests import histories

MAX_PAIRS = 60
KEYS = {
    "ausgrid-planned": {"": "WebId"},
    "ca-fires": dict.fromkeys(["/Incidents", "/ListIncidents", "/AllYearIncidents"], "UniqueId"),
    "hn-domain": {"": "id"},
    "usgs-quakes": {"/features": "id" if histories.directory().resolve() == histories.PACKAGED else "properties/url"},
}


@pytest.mark.parametrize("name", histories.names())
def test_operations_over_a_history(name: str) -> None:
    versions = histories.versions(name)
    keys: dict[str, Counter[tuple[str, ...]]] = {}
    for i in range(1, len(versions), max(10, len(versions) // MAX_PAIRS)):
        before, after = versions[i - 1], versions[i]
        found = diff(before, after)
        assert jsonpatch.apply_patch(json.loads(before), json.loads(json_patch(found))) == json.loads(after), i
        assert changes(found), i
        for pattern, fields in found.array_keys.items():
            keys.setdefault(pattern, Counter())[tuple(fields)] += 1
    for pattern, field in KEYS.get(name, {}).items():
        assert keys[pattern].most_common(1)[0][0] == (field,)


@pytest.mark.parametrize("name", histories.names())
def test_far_versions(name: str) -> None:
    versions = histories.versions(name)
    before, after = versions[len(versions) // 4], versions[-1]
    found = diff(before, after)
    assert jsonpatch.apply_patch(json.loads(before), json.loads(json_patch(found))) == json.loads(after)
    back = diff(after, before)
    assert (back.added, back.removed, back.moved) == (found.removed, found.added, found.moved)
    assert len(json_patch(found)) <= len(after) + 100


@pytest.mark.parametrize("name", histories.names())
def test_any_two_versions(name: str) -> None:
    versions = histories.versions(name)
    chance = random.Random(name)
    known: KnownKeys = tuple((pattern, (field,)) for pattern, field in KEYS.get(name, {}).items())
    for _ in range(6):
        before, after = chance.choice(versions), chance.choice(versions)
        for keys in ((), known):
            patch = json.loads(json_patch(diff(before, after, known=keys)))
            assert jsonpatch.apply_patch(json.loads(before), patch) == json.loads(after)


def test_a_merge_patch_of_a_history_without_nulls() -> None:
    versions = histories.versions("usgs-quakes")
    patch = json.loads(merge_patch(diff(versions[3], versions[4])))
    assert set(patch) <= set(json.loads(versions[4]))
