"""What counters say beside what a full scan finds."""

from delta_server.features.usage import store
from delta_server.services import Services
from delta_server.storage.database import Tx


async def drifts(services: Services) -> dict[str, tuple[int, ...]]:
    """By how much counters are off, of all projects and endpoints: nothing where all are right."""
    return await services.db.read(_drifts)


def _drifts(tx: Tx) -> dict[str, tuple[int, ...]]:
    endpoints = [row[0] for row in tx.all("SELECT id FROM endpoint")]
    projects = [row[0] for row in tx.all("SELECT id FROM project")]
    found = {f"endpoint {each}": store.endpoint_drift(tx, each) for each in endpoints}
    found |= {f"project {each}": store.project_drift(tx, each) for each in projects}
    return {name: drift for name, drift in found.items() if drift == () or any(drift)}
