"""How soon the body of a request must come."""

from typing import Any

import pytest

from delta_server.config.sections import Limits
from delta_server.http.errors import RequestTimeout
from delta_server.http.exchange import LEAST_RATE, STALL_SECONDS, BodyLimit, Budgets, Exchange
from delta_server.http.inflight import MemoryBudget
from tests.storage.opened import FakeClock

MIB = 1 << 20
PASSED_S = 20


@pytest.mark.parametrize(
    ("piece_bytes", "is_taken"),
    [
        pytest.param(1, False, id="a drop now and then"),
        pytest.param((PASSED_S - STALL_SECONDS) * LEAST_RATE, False, id="just too slow"),
        pytest.param((PASSED_S - STALL_SECONDS + 1) * LEAST_RATE, True, id="as slow as may be"),
    ],
)
async def test_a_body_that_may_last_has_a_least_rate(piece_bytes: int, is_taken: bool, clock: FakeClock) -> None:
    """It has no deadline, and each piece of it comes in time."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * piece_bytes, "more_body": True}

    async def nothing(*_: Any) -> None: ...

    budgets = [MemoryBudget(MIB, owner_bytes=MIB) for _ in range(3)]
    exchange = Exchange(
        "PUT", {}, receive, nothing,
        request_id="r", limits=Limits(), budgets=Budgets(*budgets), address="a", body_pending=lambda: True,
        taken=nothing, clock=clock,
    )  # fmt: skip
    exchange.limit_body(BodyLimit(MIB, is_streamed=True))
    await exchange.receive()
    exchange._begun -= PASSED_S
    if is_taken:
        assert len((await exchange.receive())["body"]) == piece_bytes
    else:
        with pytest.raises(RequestTimeout, match=f"{LEAST_RATE} bytes a second"):
            await exchange.receive()
