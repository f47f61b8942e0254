"""What the demo says where it can be reached from; tests/browser/test_demo.py opens its link."""

import pytest

from delta_server.cli import demo


@pytest.mark.parametrize(
    ("host", "is_warned"),
    [
        ("127.0.0.1", False),
        ("127.0.1.1", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.4", True),
        ("demo.example.com", True),
    ],
)
def test_it_says_that_other_machines_reach_it(host: str, is_warned: bool) -> None:
    assert (f"Other machines reach {host}:" in demo._reach(host)) == is_warned
