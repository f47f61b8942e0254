"""`delta-server track`, without a server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from delta_server.cli.main import cli
from tests.features.polls.source import Answer, Source, source
from tests.features.polls.source import json as json_answer


@contextmanager
def serving(answer: Answer) -> Iterator[Source]:
    """On a loop of its own: the command has one too."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Source] = []

    async def serve() -> None:
        async with source(answer) as api:
            found.append(api)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def run(data_dir: Path, *args: str) -> tuple[int, str]:
    environment = {"DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}
    done = CliRunner().invoke(cli, ["track", *args, "--data-dir", str(data_dir)], env=environment)
    return done.exit_code, done.output


def test_an_address_is_tracked_from_now_on(tmp_path: Path) -> None:
    with serving(json_answer(b'{"a": {"b": 1}}')) as api:
        code, said = run(tmp_path, api.url, "--every", "1h", "--header", "X-Key: k1", "--transform", "a")
        assert code == 0, said
        assert said.startswith("127.0.0.1/data in default, every 1h: 200, 15 bytes received, next at 20")
        assert "delta-server serve goes on with it" in said
        assert api.asked[0].headers["x-key"] == "k1"
        code, said = run(tmp_path, api.url)
        assert (code, "polled already" in said) == (1, True)
        code, said = run(tmp_path, api.url, "--endpoint", "again", "--cron", "0 6 * * *", "--json")
        found = json.loads(said.splitlines()[0])
        assert (code, found["endpoint"], found["status"], found["is_served"]) == (0, "again", 200, False)
        shown = CliRunner().invoke(cli, ["show", "127.0.0.1/data", "--data-dir", str(tmp_path)])
        assert json.loads(shown.output) == {"b": 1}


def test_the_first_poll_may_fail(tmp_path: Path) -> None:
    with serving(Answer(status=500)) as api:
        code, said = run(tmp_path, api.url)
    assert (code, "every 5m: the first poll failed (status): the source answered with" in said) == (0, True)


REFUSED = [
    (("file:///etc/passwd",), "not an address of http"),
    (("https://a.example/", "--every", "1s"), "interval must lie between 10"),
    (("https://a.example/", "--cron", "every day"), "five fields"),
    (("https://a.example/", "--every", "5m", "--cron", "0 6 * * *"), "--every or --cron"),
    (("https://a.example/", "--header", "X-Key"), "NAME: VALUE"),
    (("https://a.example/", "--transform", "["), "transform is not JMESPath"),
    (("https://a.example/", "--endpoint", "a\nb"), "U+000A"),
]


@pytest.mark.parametrize(("args", "says"), REFUSED)
def test_refusals(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    code, said = run(tmp_path, *args)
    assert code != 0
    assert says in said
