"""What tests ask waits for as long as it takes: what gives up after a second or a few, or answers with less than all,
would do so on a machine that is busy with other tests. The tests of these bounds set them."""

import importlib
from functools import partial
from typing import Any

PATIENT_S = 120.0
_SERVERS = {
    "delta_server.features.alerts.of_anomalies": "READ_S",
    "delta_server.features.alerts.trying": "TRY_S",
    "delta_server.features.anomalies.tasks": "RUN_S",
    "delta_server.features.deltas.listing": "MAX_SEARCH_S",
    "delta_server.features.deltas.trying": "TRY_S",
    "delta_server.features.event_schemas.tasks": "RUN_S",
    "delta_server.features.history.walk": "SEARCH_S",
    "delta_server.tasks.row_comparisons": "LEFT_S",
}


def let_servers_wait() -> None:
    """Those of this process."""
    for place, name in _SERVERS.items():
        module = importlib.import_module(place)
        assert getattr(module, name) < PATIENT_S
        setattr(module, name, PATIENT_S)
    adapter: Any = importlib.import_module("delta_server.storage.sqlite.adapter")
    adapter.Tuning = partial(adapter.Tuning, peek_s=PATIENT_S)


def let_clients_wait() -> None:
    """httpx's, which name no other time."""
    usual: Any = importlib.import_module("httpx._config").DEFAULT_TIMEOUT_CONFIG  # it has no public place
    assert usual.read < PATIENT_S
    usual.connect = usual.read = usual.write = usual.pool = PATIENT_S
