"""Datasets and their clients. What was delivered is in the blob store (deliveries.py)."""

import msgspec

from delta_server.core.datasets.manifest import Manifest
from delta_server.core.datasets.settings import Settings
from delta_server.core.rowdelta.summary import Summary
from delta_server.storage.database import Row, Tx


class Dataset(msgspec.Struct, frozen=True):
    """Times are in ms."""

    id: int
    name: str
    settings: Settings
    created_at: int
    clients: int


class Client(msgspec.Struct, frozen=True):
    """`manifest` may be behind the one in the blob store."""

    id: int
    dataset: int
    name: str
    folder: str
    manifest: Manifest
    changed_at: int


class Compared(msgspec.Struct, frozen=True):
    """What a comparison found, and the ids of what it compared, and how."""

    previous: str | None
    current: str
    settings: Settings
    summary: Summary


_COUNT = "(SELECT count(*) FROM dataset_client AS c WHERE c.dataset = d.id)"
_DATASET = f"d.id, d.name, d.settings, d.created_at, {_COUNT}"
_CLIENT = "id, dataset, name, folder, manifest, changed_at"


def dataset(tx: Tx, project: int, name: str) -> Dataset | None:
    row = tx.one(f"SELECT {_DATASET} FROM dataset AS d WHERE d.project = ? AND d.name = ?", project, name)
    return None if row is None else _dataset(row)


def datasets(tx: Tx, project: int, above: str, limit: int) -> list[Dataset]:
    """By name."""
    sql = f"SELECT {_DATASET} FROM dataset AS d WHERE d.project = ? AND d.name > ? ORDER BY d.name LIMIT ?"
    return [_dataset(row) for row in tx.all(sql, project, above, limit)]


def count_datasets(tx: Tx, project: int) -> int:
    return int(tx.all("SELECT count(*) FROM dataset WHERE project = ?", project)[0][0])


def insert_dataset(tx: Tx, project: int, name: str, settings: Settings) -> int:
    return tx.insert(
        "INSERT INTO dataset (project, name, settings, created_at) VALUES (?, ?, ?, ?)",
        project,
        name,
        msgspec.json.encode(settings).decode(),
        tx.now_ms,
    )


def update_settings(tx: Tx, project: int, dataset: int, settings: Settings) -> None:
    text = msgspec.json.encode(settings).decode()
    tx.run("UPDATE dataset SET settings = ? WHERE project = ? AND id = ?", text, project, dataset)


def delete_dataset(tx: Tx, project: int, dataset: int, limit: int) -> tuple[list[str], bool]:
    """Up to `limit` of its clients, and with the last of them itself; their folders, and whether it is gone."""
    some = clients(tx, project, dataset, "", limit)
    for each in some:
        delete_client(tx, project, each.id)
    is_gone = len(some) < limit
    if is_gone:
        tx.run("DELETE FROM dataset WHERE project = ? AND id = ?", project, dataset)
    return [each.folder for each in some], is_gone


def count_clients(tx: Tx, project: int) -> int:
    return int(tx.all("SELECT count(*) FROM dataset_client WHERE project = ?", project)[0][0])


def client(tx: Tx, project: int, dataset: int, name: str) -> Client | None:
    sql = f"SELECT {_CLIENT} FROM dataset_client WHERE project = ? AND dataset = ? AND name = ?"
    row = tx.one(sql, project, dataset, name)
    return None if row is None else _client(row)


def clients(tx: Tx, project: int, dataset: int, above: str, limit: int) -> list[Client]:
    """By name."""
    sql = f"SELECT {_CLIENT} FROM dataset_client WHERE project = ? AND dataset = ? AND name > ? ORDER BY name LIMIT ?"
    return [_client(row) for row in tx.all(sql, project, dataset, above, limit)]


def clients_of_project(tx: Tx, project: int, limit: int) -> list[Client]:
    return [
        _client(row)
        for row in tx.all(f"SELECT {_CLIENT} FROM dataset_client WHERE project = ? LIMIT ?", project, limit)
    ]


def insert_client(tx: Tx, project: int, dataset: int, name: str, folder: str) -> Client:
    id = tx.insert(
        "INSERT INTO dataset_client (project, dataset, name, folder, manifest, changed_at) VALUES (?, ?, ?, ?, ?, ?)",
        project,
        dataset,
        name,
        folder,
        msgspec.json.encode(Manifest()).decode(),
        tx.now_ms,
    )
    return Client(id, dataset, name, folder, Manifest(), tx.now_ms)


def update_manifest(tx: Tx, project: int, client: int, manifest: Manifest) -> None:
    """Unless a later one is there."""
    tx.run(
        "UPDATE dataset_client SET manifest = ?, changed_at = ? WHERE project = ? AND id = ?"
        " AND manifest ->> 'generation' < ?",
        msgspec.json.encode(manifest).decode(),
        tx.now_ms,
        project,
        client,
        manifest.generation,
    )


def replace_manifest(tx: Tx, project: int, client: Client, manifest: Manifest) -> None:
    """Whatever its generation, unless the client's is another one by now."""
    tx.run(
        "UPDATE dataset_client SET manifest = ? WHERE project = ? AND id = ? AND manifest ->> 'state' = ?",
        msgspec.json.encode(manifest).decode(),
        project,
        client.id,
        client.manifest.state,
    )


def folder(tx: Tx, project: int, client: int) -> str | None:
    """None where the client is gone."""
    row = tx.one("SELECT folder FROM dataset_client WHERE project = ? AND id = ?", project, client)
    return None if row is None else row[0]


def compared(tx: Tx, project: int, client: int) -> Compared | None:
    row = tx.one("SELECT compared FROM dataset_client WHERE project = ? AND id = ?", project, client)
    return None if row is None or row[0] is None else msgspec.json.decode(row[0], type=Compared)


def update_compared(tx: Tx, project: int, client: int, compared: Compared) -> None:
    text = msgspec.json.encode(compared).decode()
    tx.run("UPDATE dataset_client SET compared = ? WHERE project = ? AND id = ?", text, project, client)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project, whose clients are gone; False when there are none."""
    sql = "DELETE FROM dataset WHERE id IN (SELECT id FROM dataset WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, limit) > 0


def delete_client(tx: Tx, project: int, client: int) -> None:
    tx.run(
        "DELETE FROM dataset_upload WHERE client IN (SELECT id FROM dataset_client WHERE project = ? AND id = ?)",
        project,
        client,
    )
    tx.run("DELETE FROM dataset_client WHERE project = ? AND id = ?", project, client)


def delete_unused(tx: Tx, project: int, client: Client, *, with_dataset: bool) -> None:
    """The client where it has delivered nothing and delivers nothing now; `with_dataset`, its dataset where that has no
    other and nobody has set anything."""
    sql = (
        "DELETE FROM dataset_client WHERE project = ? AND id = ? AND manifest ->> 'generation' = 0"
        " AND NOT EXISTS (SELECT 1 FROM dataset_upload AS u WHERE u.client = dataset_client.id)"
    )
    if tx.run(sql, project, client.id) and with_dataset:
        tx.run(
            "DELETE FROM dataset WHERE project = ? AND id = ? AND settings = ?"
            " AND NOT EXISTS (SELECT 1 FROM dataset_client AS c WHERE c.dataset = dataset.id)",
            project,
            client.dataset,
            msgspec.json.encode(Settings()).decode(),
        )


def begin_upload(tx: Tx, project: int, client: int, resource: str) -> None:
    """Nothing where the client was deleted meanwhile."""
    sql = (
        "INSERT INTO dataset_upload (resource, client, started_at)"
        " SELECT ?, id, ? FROM dataset_client WHERE project = ? AND id = ?"
    )
    tx.run(sql, resource, tx.now_ms, project, client)


def more_bytes(tx: Tx, project: int, client: int, resource: str) -> tuple[int, int]:
    """What the client's current delivery takes, and what this one that is being written was said to take beyond it."""
    row = tx.one(
        "SELECT coalesce(c.manifest ->> '$.current.stored_bytes', 0), u.more_bytes FROM dataset_upload AS u"
        " JOIN dataset_client AS c ON c.id = u.client WHERE u.resource = ? AND c.project = ? AND c.id = ?",
        resource,
        project,
        client,
    )
    return (0, 0) if row is None else (row[0], row[1])


def update_more_bytes(tx: Tx, project: int, client: int, resource: str, more: int) -> None:
    tx.run(
        "UPDATE dataset_upload SET more_bytes = ? WHERE resource = ? AND client IN (SELECT id FROM dataset_client"
        " WHERE project = ? AND id = ?)",
        more,
        resource,
        project,
        client,
    )


def end_upload(tx: Tx, project: int, client: int, resource: str) -> None:
    tx.run(
        "DELETE FROM dataset_upload WHERE resource = ? AND client IN (SELECT id FROM dataset_client"
        " WHERE project = ? AND id = ?)",
        resource,
        project,
        client,
    )


def unfinished(tx: Tx) -> list[tuple[int, Client, str]]:
    """(project, client, resource)"""
    rows = tx.all(
        f"SELECT c.project, u.resource, {', '.join(f'c.{name}' for name in _CLIENT.split(', '))}"
        " FROM dataset_upload AS u JOIN dataset_client AS c ON c.id = u.client"
    )
    return [(project, _client(tuple(row)), resource) for project, resource, *row in rows]


def clients_above(tx: Tx, above: int, limit: int) -> list[tuple[int, Client]]:
    """(project, client) of all projects, by id."""
    rows = tx.all(f"SELECT project, {_CLIENT} FROM dataset_client WHERE id > ? ORDER BY id LIMIT ?", above, limit)
    return [(project, _client(tuple(row))) for project, *row in rows]


def with_retired(tx: Tx, before_ms: int, above: int, limit: int) -> list[tuple[int, Client]]:
    """(project, client) of those whose oldest retired delivery is from before then, by id."""
    rows = tx.all(
        f"SELECT project, {_CLIENT} FROM dataset_client WHERE manifest ->> '$.retired[0].at' < ? AND id > ?"
        " ORDER BY id LIMIT ?",
        before_ms,
        above,
        limit,
    )
    return [(project, _client(tuple(row))) for project, *row in rows]


def _dataset(row: Row) -> Dataset:
    id, name, settings, created_at, clients = row
    return Dataset(id, name, msgspec.json.decode(settings, type=Settings), created_at, clients)


def _client(row: Row) -> Client:
    id, dataset, name, folder, manifest, changed_at = row
    return Client(id, dataset, name, folder, msgspec.json.decode(manifest, type=Manifest), changed_at)
