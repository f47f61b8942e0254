"""Schemas learned from recorded histories, and what that costs those who store. genson is a peer where it is there."""

import gc
import importlib
import importlib.util
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from delta_server.core.schemas import steps
from tests import histories
from tests.bench import load
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import create_key, serving

VERSIONS = sized(3_000, 20)
PART = 64
EACH, CONNECTIONS = sized(200, 2), sized(4, 2)


@bench("schemas: learned from a history")
def learned() -> Iterator[Row]:
    for name in histories.names():
        documents = histories.versions(name)[:VERSIONS]
        size = sum(map(len, documents)) / len(documents)
        note = f"{len(documents):,} versions of {size / 1e3:.0f} kB, processor time"
        if importlib.util.find_spec("genson") is None:
            yield Row(f"schema of {name}", _ours_s(documents), "s", bar=2, note=f"{note}; no peer: genson")
            continue
        rounds = in_turn(partial(_ours_s, documents), partial(_genson_s, documents), rounds=sized(3, 1))
        yield compared(f"schema of {name}", "s", rounds, "genson", bar=0.1, note=note)


def _ours_s(documents: Sequence[bytes]) -> float:
    """In parts, each from what is kept in between and the document before it, as the server does."""
    began, known, done = _began_s(), None, 0
    while done < len(documents):
        before = documents[done - 1] if done else None
        learnt = steps.learn_all(steps.Lesson(documents[done : done + PART], known, before))
        known, done = learnt.shape, done + learnt.count
    return time.process_time() - began


def _began_s() -> float:
    """Of processor time, with nothing of the other left to be collected."""
    gc.collect()
    return time.process_time()


def _genson_s(documents: Sequence[bytes]) -> float:
    builder: Any = importlib.import_module("genson").SchemaBuilder()
    began = _began_s()
    for document in documents:
        builder.add_object(json.loads(document))
    builder.to_schema()
    return time.process_time() - began


@bench("schemas: POST with inference")
def posting() -> Iterator[Row]:
    work = load.lanes(load.documents(), connections=CONNECTIONS, each=EACH, shared=False)
    rounds = in_turn(partial(_posted, work, "true"), partial(_posted, work, "false"), rounds=sized(5, 1))
    note = f"{CONNECTIONS} connections, {EACH} versions each"
    yield compared(
        "POST a snapshot, its schema is learned", "/s", rounds, "without", bar=0.95, at_least=True, note=note
    )


def _posted(work: Sequence[load.Work], inference: str) -> float:
    """Snapshots a second, of a new server."""
    with tempfile.TemporaryDirectory() as directory:
        key = create_key(Path(directory), "a")
        with serving(Path(directory), DELTA_SCHEMAS_INFERENCE=inference) as server:
            return load.run(partial(load.delta_sender, server.url, key), work).per_second
