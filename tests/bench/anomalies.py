"""Anomalies in labelled series, and what looking for them costs those who store. statsforecast is a peer where it is
there: its MSTL by day and week, of which what lies outside of the 99.9 % of its fitted values is unusual."""

import importlib
import importlib.util
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import load
from tests.bench.schemas import CONNECTIONS, EACH
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.core.anomalies.labelled import Labelled, made, water_flow
from tests.core.anomalies.scoring import Score, Spans, episodes, score, spans
from tests.server_process import create_key, serving

SEEDS = sized(3, 1)
PEER = "statsforecast"
TOGETHER = 2
"""Hours between two that are unusual, of one episode."""


@bench("anomalies: in labelled series")
def labelled() -> Iterator[Row]:
    every = [series for seed in range(SEEDS) for series in made(seed)] + [water_flow()]
    hours = sum(len(series.numbers) for series in every)
    took, ours = _scored(every, lambda series: spans(episodes(series)))
    note = f"{len(every)} series of {hours:,} hours, {ours.labels} anomalies; {ours.wrong} reported that are none"
    if importlib.util.find_spec(PEER) is None:
        yield Row("anomalies: recall", ours.recall, "", bar=0.85, at_least=True, note=f"{note}; no peer: {PEER}")
        yield Row("anomalies: precision", ours.precision, "", bar=0.9, at_least=True)
        yield Row("anomalies: an hour of a series", took / hours * 1e6, "us", bar=200)
        return
    peer_s, peer = _scored(every, _by_peer)
    yield Row(
        "anomalies: recall", ours.recall, "", peer.recall, PEER, bar=0.85, bar_on="ours", at_least=True, note=note
    )
    yield Row("anomalies: precision", ours.precision, "", peer.precision, PEER, bar=1.0, at_least=True)
    yield Row("anomalies: an hour of a series", took / hours * 1e6, "us", peer_s / hours * 1e6, PEER, bar=0.1)


def _scored(every: Sequence[Labelled], tell: Any) -> tuple[float, Score]:
    """Seconds, and how well."""
    began = time.perf_counter()
    reported: list[Spans] = [tell(series) for series in every]
    took = time.perf_counter() - began
    return took, sum((score(series, found) for series, found in zip(every, reported, strict=True)), Score())


def _by_peer(series: Labelled) -> Spans:
    pandas: Any = importlib.import_module("pandas")
    library: Any = importlib.import_module(PEER)
    model: Any = importlib.import_module(f"{PEER}.models").MSTL(season_length=[24, 168])
    times = pandas.date_range("2026-01-01", periods=len(series.numbers), freq="h")
    forecast = library.StatsForecast(models=[model], freq="h")
    forecast.forecast(
        df=pandas.DataFrame({"unique_id": "a", "ds": times, "y": series.numbers}), h=1, level=[99.9], fitted=True
    )
    fitted = forecast.forecast_fitted_values()
    low, high = fitted["MSTL-lo-99.9"], fitted["MSTL-hi-99.9"]
    found: list[tuple[int, int]] = []
    for hour, is_usual in enumerate(fitted["y"].between(low, high)):
        if is_usual:
            continue
        if found and found[-1][1] >= hour - TOGETHER:
            found[-1] = (found[-1][0], hour + 1)
        else:
            found.append((hour, hour + 1))
    return found


@bench("anomalies: POST with detection")
def posting() -> Iterator[Row]:
    work = load.lanes(load.documents(), connections=CONNECTIONS, each=EACH, shared=False)
    rounds = in_turn(partial(_posted, work, "true"), partial(_posted, work, "false"), rounds=sized(5, 1))
    note = f"{CONNECTIONS} connections, {EACH} versions each"
    yield compared(
        "POST a snapshot, anomalies are looked for", "/s", rounds, "without", bar=0.95, at_least=True, note=note
    )


def _posted(work: Sequence[load.Work], detection: str) -> float:
    """Snapshots a second, of a new server."""
    with tempfile.TemporaryDirectory() as directory:
        key = create_key(Path(directory), "a")
        with serving(Path(directory), DELTA_ANOMALIES_DETECTION=detection) as server:
            return load.run(partial(load.delta_sender, server.url, key), work).per_second
