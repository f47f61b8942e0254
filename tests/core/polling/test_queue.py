"""Which poll is next."""

from delta_server.core.polling.queue import PollQueue, WaitingPoll


def polls(project: int, *hosts: str, first: int = 1) -> list[WaitingPoll]:
    return [WaitingPoll(project * 1000 + number, project, host) for number, host in enumerate(hosts, first)]


def begun(queue: PollQueue) -> list[WaitingPoll]:
    found = []
    while (poll := queue.take()) is not None:
        found.append(poll)
    return found


def test_a_host_is_asked_one_request_at_a_time() -> None:
    queue = PollQueue(8)
    first, second, other = polls(1, "a", "a", "b")
    for poll in (first, second, other):
        queue.add(poll)
    assert begun(queue) == [first, other]
    queue.end(first)
    assert begun(queue) == [second]


def test_a_host_that_has_answered_is_asked_by_the_next_whose_turn_the_first_does_not_end() -> None:
    queue = PollQueue(8)
    first, second, third = polls(1, "a", "a", "a")
    for poll in (first, second, third):
        queue.add(poll)
    assert begun(queue) == [first]
    queue.answered(first)
    assert (begun(queue), queue.running) == ([second], 2)
    queue.end(first)
    assert begun(queue) == []
    queue.add(first)
    queue.end(second)
    assert begun(queue) == [third]


def test_a_poll_that_has_answered_keeps_its_place() -> None:
    queue = PollQueue(1)
    first, second = polls(1, "a", "b")
    for poll in (first, second):
        queue.add(poll)
    assert begun(queue) == [first]
    queue.answered(first)
    assert begun(queue) == []


def test_an_endpoint_waits_once() -> None:
    queue = PollQueue(8)
    [poll] = polls(1, "a")
    queue.add(poll)
    queue.add(poll)
    assert begun(queue) == [poll]
    queue.add(poll)
    queue.end(poll)
    assert begun(queue) == []
    queue.add(poll)
    assert begun(queue) == [poll]


def test_one_project_leaves_places_and_its_turn_to_others() -> None:
    queue = PollQueue(8)
    many = polls(1, *(f"host{number}" for number in range(50)))
    for poll in many:
        queue.add(poll)
    running = begun(queue)
    assert len(running) == 6
    mine = polls(2, "x", "y", "z")
    for poll in mine:
        queue.add(poll)
    assert begun(queue) == mine[:2]
    queue.end(running[0])
    assert begun(queue) == [mine[2]]


def test_on_a_host_that_two_projects_ask_they_take_turns() -> None:
    queue = PollQueue(8)
    mine, others = polls(1, *["a"] * 5), polls(2, "a")
    for poll in (*mine, *others):
        queue.add(poll)
    [first] = begun(queue)
    queue.end(first)
    assert begun(queue) == others


def test_who_asks_now_comes_before_what_is_due() -> None:
    queue = PollQueue(1)
    running, due, asked = polls(1, "a", "a", "a")
    queue.add(running)
    assert begun(queue) == [running]
    queue.add(due)
    queue.add(asked, first=True)
    queue.end(running)
    assert begun(queue) == [asked]


def test_hosts_that_many_wait_for() -> None:
    queue = PollQueue(4)
    for poll in polls(1, "a", "a", "a", "b"):
        queue.add(poll)
    assert queue.full_hosts(3) == ["a"]
    assert [poll.host for poll in begun(queue)] == ["a", "b"]
    assert queue.full_hosts(3) == []
