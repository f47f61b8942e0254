"""Random histories of a document with what makes histories hard: keyed, plain and shuffled arrays, maps, places that
change their type, numbers that only look different."""

import random
from typing import Any

import msgspec

from tests.features.history.timelines import Version

SETTINGS: list[dict[str, Any] | None] = [
    None,
    {"ignore": ["/items/*/price"]},
    {"tolerance": {"/count": 2}},
    {"tolerance": 1},
    {"order": {"/items": "set"}, "ignore": ["/**/name"]},
    {"array_keys": {"/items": ["name"]}},
]


FIRST = {
    "title": "t",
    "count": 0,
    "items": [],
    "map": {},
    "numbers": [1, 2],
    "shape": {"a": 1},
    "odd/na~me": {},
}


def random_document(rng: random.Random, before: Any) -> Any:
    """Another version of `before`, or a first one."""
    if before is None or rng.random() < 0.03:
        before = {
            "title": "t",
            "count": 0,
            "items": [],
            "map": {},
            "numbers": [1, 2],
            "shape": {"a": 1},
            "odd/na~me": {},
        }
    document: Any = msgspec.json.decode(msgspec.json.encode(before))
    for _ in range(rng.randrange(1, 4)):
        rng.choice(CHANGES)(rng, document)
    return document


def change_scalars(rng: random.Random, document: Any) -> None:
    document["count"] = rng.choice([0, 1, 1.0, 2, 3, True, None, "1"])
    document["title"] = rng.choice(["t", "u", "\u00e9\U0001f40b"])
    document["odd/na~me"]["a"] = rng.randrange(3)
    document["numbers"] = [rng.randrange(3) for _ in range(rng.randrange(4))]
    if rng.random() < 0.3:
        document.pop("count")


def change_items(rng: random.Random, document: Any) -> None:
    items = document["items"]
    for _ in range(rng.randrange(1, 3)):
        if items and rng.random() < 0.4:
            items.pop(rng.randrange(len(items)))
        else:
            number = rng.randrange(8)
            items[:] = [item for item in items if item["id"] != f"i{number}"]
            name = rng.choice(["red", "green", "blue"])
            item = {
                "id": f"i{number}",
                "name": name,
                "price": rng.randrange(4),
                "tags": ["a"],
                "meta": {"code": number},
            }
            items.insert(rng.randrange(len(items) + 1), item)


def change_inside(rng: random.Random, document: Any) -> None:
    for item in rng.sample(document["items"], len(document["items"]) // 2):
        item["price"] = rng.choice(["red", 1, 2.0, 2, item["price"]])
        item["name"] = rng.choice(["red", item["name"]])
        item["tags"] = rng.sample("abc", rng.randrange(4))


def shuffle(rng: random.Random, document: Any) -> None:
    rng.shuffle(document["items"])
    rng.shuffle(document["numbers"])


def change_map(rng: random.Random, document: Any) -> None:
    size = rng.choice([1, 5, 90])
    for number in rng.sample(range(100), size):
        document["map"][rng.choice([f"k{number}", str(number)])] = {"n": rng.randrange(2)}
    if rng.random() < 0.2:
        document["map"] = {}


def change_shape(rng: random.Random, document: Any) -> None:
    document["shape"] = rng.choice([{"a": rng.randrange(2), "1": 5}, [1, rng.randrange(2)], 7, [], {}, {"1": 6}])


CHANGES = [change_scalars, change_items, change_inside, shuffle, change_map, change_shape]


def random_versions(rng: random.Random, count: int) -> list[Version]:
    versions: list[Version] = []
    document = None
    for number in range(count):
        document = random_document(rng, document)
        versions.append(Version(1000 * (number + 1), msgspec.json.encode(document)))
    return versions
