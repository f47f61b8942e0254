"""The current delivery of a client compared with the previous one, and what guards its promotion."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec.structs import replace

from delta_server.core.datasets.manifest import Delivery, Manifest
from delta_server.core.datasets.settings import Settings
from delta_server.core.errors import DeltaError, Refused
from delta_server.core.rowdelta.summary import Summary
from delta_server.features.datasets import deliveries, store
from delta_server.features.datasets.store import Client, Compared
from delta_server.services import Services
from delta_server.tasks.row_comparisons import Progress, RowComparison, RowComparisons
from delta_server.tasks.rowdelta_worker import Output, Stored, Task

SPILL_NAME = "rowdelta-spill"
"""The folder beside the database for what a comparison does not hold in memory."""


class Pair(msgspec.Struct, frozen=True):
    """What is compared, and how."""

    client: Client
    previous: Delivery | None
    current: Delivery
    settings: Settings

    @property
    def may_be_wrong(self) -> bool:
        """Not all that can be was found when it came: rows of NDJSON were looked at then, but not for a key."""
        return self.current.format != "ndjson" or bool(self.settings.key_fields)

    def is_in(self, compared: Compared | None) -> bool:
        previous = None if self.previous is None else self.previous.id
        wanted = previous, self.current.id, self.settings
        return compared is not None and (compared.previous, compared.current, compared.settings) == wanted


def pair_of(client: Client, manifest: Manifest, settings: Settings) -> Pair:
    """Raises NotFound without a current delivery."""
    return Pair(client, manifest.previous, manifest.delivery("current"), settings)


def running(svc: Services, project: int, client: Client) -> list[Progress]:
    return svc.state(RowComparisons).of(project, client.id)


async def forget_unfinished(svc: Services) -> None:
    """At each start: what a comparison had not deleted when it was killed."""
    folder = svc.config.storage.data_dir / SPILL_NAME
    await asyncio.to_thread(_empty, folder)


def _empty(folder: Path) -> None:
    for left in folder.glob("*"):
        shutil.rmtree(left, ignore_errors=True)


async def summary_of(svc: Services, project: int, pair: Pair, *, waits: bool = False) -> Summary:
    """Known already, or found now; `waits`, when others have been. Raises RateLimited, and what `rowdelta.compare`
    does."""
    known = await svc.db.read(store.compared, project, pair.client.id)
    if known is not None and pair.is_in(known):
        return known.summary
    async with _run(svc, project, pair, "summary", waits=waits) as comparison:
        return await _summed_up(svc, project, pair, comparison)


async def begin(svc: Services, project: int, pair: Pair, output: Output) -> AsyncGenerator[bytes, None]:
    """The delta in pieces, once all that can be wrong with it is known. Raises as `summary_of`."""
    async with AsyncExitStack() as opened:
        comparison = await opened.enter_async_context(_run(svc, project, pair, output))
        await _summed_up(svc, project, pair, comparison)
        kept = opened.pop_all()

    async def pieces() -> AsyncGenerator[bytes, None]:
        async with kept:
            async for piece in comparison.pieces():
                yield piece

    return pieces()


async def follow(svc: Services, project: int, pair: Pair) -> AsyncGenerator[bytes, None]:
    """As NDJSON from the first moment: before the delta there are lines that say how far the comparison is. Where it
    cannot be made, the last line says why."""
    try:
        async with _run(svc, project, pair, "ndjson") as comparison:
            async for progress in comparison.steps():
                yield _progress_line(progress)
            await _summed_up(svc, project, pair, comparison)
            async for piece in comparison.pieces():
                yield piece
    except DeltaError as error:
        yield msgspec.json.encode({"op": "error", "code": error.code, "message": error.message}) + b"\n"


def _progress_line(progress: Progress) -> bytes:
    said = {"op": "progress", "phase": progress.phase}
    return msgspec.json.encode(said | {"rows_before": progress.rows_before, "rows_after": progress.rows_after}) + b"\n"


def require_confirmed(pair: Pair, summary: Summary, confirm: str | None) -> None:
    """Raise Refused for a delivery that lacks most of the rows before it."""
    token = confirmation(pair, summary)
    if token is not None and confirm != token:
        raise Refused(
            f"the delivery lacks {summary.removed} of {summary.rows_before} rows: look at it, then promote it with"
            " confirm set to the value given here (guard_percent and guard_rows say when this is asked)",
            code="MASS_REMOVAL",
            members={"removed": summary.removed, "rows_before": summary.rows_before, "confirm": token},
        )


def confirmation(pair: Pair, summary: Summary) -> str | None:
    """What confirms this promotion and no other; None where none is needed."""
    if pair.previous is None or not pair.settings.guards_against(summary):
        return None
    seen = f"{pair.previous.id} {pair.current.id} {summary.removed}"
    return blake2b(seen.encode(), digest_size=12).hexdigest()


async def _summed_up(svc: Services, project: int, pair: Pair, comparison: RowComparison) -> Summary:
    summary = await comparison.wait()
    previous = None if pair.previous is None else pair.previous.id
    compared = Compared(previous, pair.current.id, pair.settings, summary)
    await svc.db.write(store.update_compared, project, pair.client.id, compared)
    return summary


@asynccontextmanager
async def _run(
    svc: Services, project: int, pair: Pair, output: Output, *, waits: bool = False
) -> AsyncIterator[RowComparison]:
    storage = svc.config.storage
    task = Task(
        blobs=storage.blobs,
        data_dir=str(storage.data_dir.absolute()),
        spill=str((storage.data_dir / SPILL_NAME).absolute()),
        before=None if pair.previous is None else _part(pair.client, pair.previous),
        after=_part(pair.client, pair.current),
        settings=replace(pair.settings.of_rows(), max_row_bytes=svc.config.datasets.row_bytes),
        output=output,
    )
    async with svc.state(RowComparisons).run(
        task,
        project=project,
        of=pair.client.id,
        started_at=svc.clock.now_ms(),
        most=svc.config.datasets.comparisons,
        waits=waits,
    ) as comparison:
        yield comparison


def _part(client: Client, delivery: Delivery) -> Stored:
    return Stored(deliveries.resource_of(client, delivery.id, delivery.format), delivery.format)
