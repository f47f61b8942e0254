"""Datasets: what several clients deliver again and again, each delivery compared with the one before."""

from collections.abc import AsyncGenerator
from functools import partial
from uuid import uuid4

import msgspec
from msgspec import UNSET

from delta_server.core import names
from delta_server.core.datasets import manifest as manifests
from delta_server.core.datasets import settings as dataset_settings
from delta_server.core.datasets.manifest import Manifest, Which
from delta_server.core.datasets.settings import Settings
from delta_server.core.errors import Invalid, NotFound
from delta_server.features.audit import service as audit
from delta_server.features.datasets import comparing, deliveries, receiving, store
from delta_server.features.datasets.comparing import Pair
from delta_server.features.datasets.receiving import Incoming
from delta_server.features.datasets.schemas import SettingsChange
from delta_server.features.datasets.store import Client, Dataset
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_DATASETS = 1000
_CLIENTS_AT_ONCE = 100
"""Clients that are deleted in one transaction."""


async def list_datasets(svc: Services, project: int, above: str, limit: int) -> list[Dataset]:
    return await svc.db.read(store.datasets, project, above, limit)


def dataset(svc: Services, project: int, name: str) -> Dataset:
    """Raises NotFound."""
    found = svc.db.peek(store.dataset, project, names.normal(name))
    if found is None:
        raise NotFound("there is no dataset of this name: it is made by its first delivery")
    return found


async def dataset_with_clients(
    svc: Services, project: int, name: str, above: str, limit: int
) -> tuple[Dataset, list[Client]]:
    """Clients by name. Raises NotFound."""
    found = dataset(svc, project, name)
    return found, await svc.db.read(store.clients, project, found.id, above, limit)


def client(svc: Services, project: int, name: str, client_name: str) -> Client:
    """Raises NotFound."""
    found = svc.db.peek(store.client, project, dataset(svc, project, name).id, names.normal(client_name))
    if found is None:
        raise NotFound("this client has delivered nothing to the dataset")
    return found


async def manifest(svc: Services, project: int, name: str, client_name: str) -> tuple[Client, Manifest]:
    """Raises NotFound."""
    found = client(svc, project, name, client_name)
    return found, await deliveries.manifest_of(svc, found)


async def change_settings(svc: Services, project: int, name: str, change: SettingsChange) -> Dataset:
    """Make the dataset, or change what is given. Raises Invalid."""
    name = names.check(name)
    given = {field: value for field, value in msgspec.structs.asdict(change).items() if value is not UNSET}

    def write(tx: Tx) -> Dataset:
        before = store.dataset(tx, project, name)
        settings = dataset_settings.check(msgspec.structs.replace(before.settings if before else Settings(), **given))
        if before is None:
            _insert(tx, project, name, settings)
        else:
            store.update_settings(tx, project, before.id, settings)
        audit.record_in(tx, project, "dataset.update", target=name)
        found = store.dataset(tx, project, name)
        assert found is not None
        return found

    return await svc.db.write(write)


async def receive(
    svc: Services, project: int, name: str, client_name: str, incoming: Incoming, body: AsyncGenerator[bytes, None]
) -> Manifest:
    """Raises Invalid, and as `receiving.receive`."""
    name, client_name = names.check(name), names.check(client_name, field="client")
    found, is_new = await svc.db.write(_client_for, project, name, client_name, svc.config.datasets.clients)
    try:
        return await receiving.receive(svc, project, found, incoming, body)
    except BaseException:
        await svc.db.write(partial(store.delete_unused, with_dataset=is_new), project, found)
        raise


def _client_for(tx: Tx, project: int, name: str, client_name: str, most: int) -> tuple[Client, bool]:
    """It, and whether its dataset was made for it."""
    of = store.dataset(tx, project, name)
    dataset_id = _insert(tx, project, name, Settings()) if of is None else of.id
    found = store.client(tx, project, dataset_id, client_name)
    if found is None and store.count_clients(tx, project) >= most:
        raise Invalid(f"a project has {most} clients of datasets at most (datasets.clients)", field="client")
    return found or store.insert_client(tx, project, dataset_id, client_name, uuid4().hex), of is None


def _insert(tx: Tx, project: int, name: str, settings: Settings) -> int:
    if store.count_datasets(tx, project) >= MOST_DATASETS:
        raise Invalid(f"a project has {MOST_DATASETS} datasets at most", field="name")
    return store.insert_dataset(tx, project, name, settings)


async def pair(svc: Services, project: int, name: str, client_name: str) -> Pair:
    """What the client's delta is of. Raises NotFound."""
    of = dataset(svc, project, name)
    found, now = await manifest(svc, project, name, client_name)
    return comparing.pair_of(found, now, of.settings)


async def promote(svc: Services, project: int, name: str, client_name: str, confirm: str | None = None) -> Manifest:
    """Raises NotFound; Refused where it must be confirmed, Conflict where another delivery came meanwhile, and as
    `comparing.summary_of`."""
    compared = await pair(svc, project, name, client_name)
    is_guarded = compared.previous is not None and compared.settings.is_guarded
    if is_guarded or compared.may_be_wrong:
        summary = await comparing.summary_of(svc, project, compared, waits=True)
        comparing.require_confirmed(compared, summary, confirm)
    expected = compared.current.id
    after = await deliveries.switch(
        svc, project, compared.client, lambda before: manifests.promoted(before, svc.clock.now_ms(), expected)
    )
    await audit.note_in(svc, project, "dataset.promote", target=f"{name}/{client_name}")
    return after


async def drop(svc: Services, project: int, name: str, client_name: str, which: Which) -> None:
    """Raises NotFound."""
    found = client(svc, project, name, client_name)
    await deliveries.switch(svc, project, found, lambda before: manifests.dropped(before, which, svc.clock.now_ms()))


async def delete_client(svc: Services, project: int, name: str, client_name: str) -> None:
    """Raises NotFound."""
    found = client(svc, project, name, client_name)
    await deliveries.delete_all(svc, project, found)
    await audit.note_in(svc, project, "dataset.delete", target=f"{name}/{client_name}")


async def delete_dataset(svc: Services, project: int, name: str) -> None:
    """With all that was delivered to it. Raises NotFound."""
    found, is_gone = dataset(svc, project, name), False
    while not is_gone:
        some = await svc.db.read(store.clients, project, found.id, "", _CLIENTS_AT_ONCE)
        await deliveries.empty(svc, [each.folder for each in some])
        folders, is_gone = await svc.db.write(store.delete_dataset, project, found.id, _CLIENTS_AT_ONCE)
        await deliveries.empty(svc, folders)
    await audit.note_in(svc, project, "dataset.delete", target=name)
