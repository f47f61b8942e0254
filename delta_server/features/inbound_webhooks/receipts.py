"""What became of deliveries, by endpoint, since the server started: senders rarely show what they were answered."""

from collections import OrderedDict

import msgspec

_MOST_ENDPOINTS = 10_000


class Receipt(msgspec.Struct):
    """Times are in ms; `refusal` is why the last one was refused."""

    received: int = 0
    received_at: int | None = None
    refused: int = 0
    refused_at: int | None = None
    refusal: str | None = None


class Receipts:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._found: OrderedDict[int, Receipt] = OrderedDict()

    def of(self, endpoint: int) -> Receipt:
        return self._found.get(endpoint) or Receipt()

    def receive(self, endpoint: int, now_ms: int) -> None:
        receipt = self._kept(endpoint)
        receipt.received, receipt.received_at = receipt.received + 1, now_ms

    def refuse(self, endpoint: int, why: str, now_ms: int) -> None:
        receipt = self._kept(endpoint)
        receipt.refused, receipt.refused_at, receipt.refusal = receipt.refused + 1, now_ms, why[:200]

    def forget(self, endpoint: int) -> None:
        self._found.pop(endpoint, None)

    def _kept(self, endpoint: int) -> Receipt:
        """Of what is unbounded those that were used last are kept."""
        receipt = self._found.setdefault(endpoint, Receipt())
        self._found.move_to_end(endpoint)
        if len(self._found) > _MOST_ENDPOINTS:
            self._found.popitem(last=False)
        return receipt
