"""The process that makes a training table for the server: it is sent the rows of the labels, then each document that
was known at some of them, and sends back the file or its manifest.

In go a FeatureTask, documents (a KnownDocument) and an empty message; out come messages as of table_worker.py.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import xxhash

from delta_server.core.errors import Invalid
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.tables import training, writing
from delta_server.core.tables.shape import Column, Shape
from delta_server.core.tables.training import DocumentFeature, Plan
from delta_server.core.tables.writing import KEY, TIME, Form
from delta_server.storage import process_messages
from delta_server.storage.tables import parquet_table
from delta_server.storage.tables.interval_file import Interval
from delta_server.tasks.table_worker import DATA, serve

ARGUMENT = "feature-worker"
"""What the program is called with to be this."""
LABEL, SPLIT = "label", "split"


class FeatureTask(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` is the answer to the plan's query, `versions` what the manifest says of the documents. `form` None is the
    manifest."""

    spill: str
    plan: Plan
    rows: msgspec.Raw
    versions: list[dict[str, Any]]
    form: Form | None
    escape_formulas: bool


class KnownDocument(msgspec.Struct, frozen=True, array_like=True):
    """The document that was known of an endpoint at the labels of these rows."""

    endpoint: str
    rows: list[int]
    body: bytes


class TableColumn(msgspec.Struct, frozen=True):
    name: str
    type: str


class TrainingManifest(msgspec.Struct, frozen=True):
    """What makes the table again: `spec` with all times written out, the `versions` of documents that were read, and
    the hash of each row in order (XXH3 of its id, time and values); `digest` is that of all hashes."""

    spec: training.TrainingSpec
    columns: list[TableColumn]
    rows: int
    digest: str
    versions: list[dict[str, Any]]
    row_hashes: list[str]


encode_document = msgspec.msgpack.Encoder().encode
_decode_document = msgspec.msgpack.Decoder(KnownDocument).decode
_decode_rows = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def main() -> None:
    serve(FeatureTask, _run)


def _run(task: FeatureTask, arriving: BinaryIO, leaving: BinaryIO) -> None:
    table = TrainingTable(task.plan, _decode_rows(task.rows))
    while message := process_messages.read(arriving):
        table.add(_decode_document(message))
    if message is None:
        return  # whoever asked is gone
    Path(task.spill).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=task.spill) as folder:
        for piece in process_messages.gathered(_pieces(task, table, Path(folder))):
            process_messages.write(leaving, DATA + piece)


def _pieces(task: FeatureTask, table: "TrainingTable", folder: Path) -> Iterator[bytes]:
    columns, rows, names = table.columns(), table.rows(), [KEY, TIME]
    if task.form is None:
        yield msgspec.json.encode(table.manifest(task.versions)) + b"\n"
    elif task.form == "parquet":
        yield from parquet_table.pieces(names, columns, rows, folder)
    else:
        yield from writing.pieces(task.form, names, columns, rows, escape_formulas=task.escape_formulas)


class TrainingTable:
    """The rows of the labels, in the order of time, with their features as far as they are known."""

    def __init__(self, plan: Plan, labels: Sequence[dict[str, msgspec.Raw]]) -> None:
        self._plan, self._labels = plan, labels
        self._values: list[dict[str, msgspec.Raw]] = [self._of_label(label) for label in labels]

    def _of_label(self, label: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
        found = {f"f{each.column}": label[f"e{each.column}"] for each in self._plan.events}
        if self._plan.value is not None:
            found[LABEL] = label["value"]
        part = self._plan.part(msgspec.json.decode(label["t"], type=int))
        if part is not None:
            found[SPLIT] = msgspec.Raw(msgspec.json.encode(part))
        return found

    def add(self, known: KnownDocument) -> None:
        document = surrogates.replaced(known.body)
        of_endpoint = [each for each in self._plan.documents if each.endpoint == known.endpoint]
        at: dict[str, msgspec.Raw | None] = {}
        for row in known.rows:
            for each in of_endpoint:
                path = _path(each, self._labels[row])
                if path is None:
                    continue
                if path not in at:
                    at[path] = _resolved(document, path)
                if (value := at[path]) is not None:
                    self._values[row][f"f{each.column}"] = value

    def columns(self) -> list[Column]:
        shape = Shape()
        for values in self._values:
            shape.learn(msgspec.json.encode(values))
        front = [(LABEL, LABEL)] if self._plan.value is not None else []
        front += [(SPLIT, SPLIT)] if self._plan.split_ms is not None else []
        named = [(f"f{number}", name) for number, name in enumerate(self._plan.names)]
        return shape.named([*front, *named], [KEY, TIME])

    def rows(self) -> Iterator[Interval]:
        for label, values in zip(self._labels, self._values, strict=True):
            id, at_ms = msgspec.json.decode(label["id"], type=str), msgspec.json.decode(label["t"], type=int)
            yield Interval(id, msgspec.json.encode(values), at_ms, None, b"", at_ms)

    def manifest(self, versions: list[dict[str, Any]]) -> TrainingManifest:
        hashes = [_hash(row) for row in self.rows()]
        return TrainingManifest(
            spec=self._plan.spec,
            columns=[TableColumn(each.name, each.type) for each in self.columns()],
            rows=len(hashes),
            digest=xxhash.xxh3_128_hexdigest("".join(hashes).encode()),
            versions=versions,
            row_hashes=hashes,
        )


def _path(each: DocumentFeature, label: dict[str, msgspec.Raw]) -> str | None:
    """None where the label has no scalar for one of its names."""
    values = {name: bytes(label[f"w{number}"]) for name, number in each.where.items()}
    if any(slices.kind(raw) in ("null", "object", "array") for raw in values.values()):
        return None
    return training.filled(each.path, values)


def _resolved(document: bytes, path: str) -> msgspec.Raw | None:
    try:
        return pointer.resolve(document, pointer.parse(path))
    except Invalid:  # what a label has makes a path that is too long
        return None


def _hash(row: Interval) -> str:
    text = msgspec.json.encode([row.key, row.time_ms, msgspec.Raw(slices.canonical(row.record))])
    return xxhash.xxh3_64_hexdigest(text)
