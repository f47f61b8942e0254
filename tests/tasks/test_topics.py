import asyncio
import gc

import pytest

from delta_server.tasks.topics import EVERY_PROJECT, Topic, Topics


@pytest.mark.parametrize(
    ("topic", "project", "wakes"),
    [
        ("events", 2, False),  # another project's
        ("jobs", 1, False),  # of another kind
        ("events", EVERY_PROJECT, False),
        ("events", 1, True),
    ],
)
async def test_only_who_waits_for_it_is_woken(topic: Topic, project: int, wakes: bool) -> None:
    topics = Topics()
    signal = topics.signal("events", 1)
    topics.wake(topic, project)
    assert (signal.count == 1) == wakes
    assert await signal.wait(0, since=0) == wakes


async def test_all_who_wait_for_one_kind() -> None:
    topics = Topics()
    first, second, other = topics.signal("events", 1), topics.signal("events", 2), topics.signal("contents")
    waiting = asyncio.create_task(first.wait(3600))
    await asyncio.sleep(0)
    topics.wake_all("events")
    assert await waiting
    assert (first.count, second.count, other.count) == (1, 1, 0)


def test_a_topic_is_kept_no_longer_than_somebody_holds_it() -> None:
    topics = Topics()
    held = topics.signal("events", 1)
    assert topics.signal("events", 1) is held
    for project in range(2, 100):
        topics.signal("events", project)
        topics.wake("events", project)
    gc.collect(1)
    assert len(topics._signals) == 1
