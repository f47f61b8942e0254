"""Whether a kept backup could be restored: a process of its own unpacks and checks it (storage/backup_verifier.py)."""

from contextlib import suppress

from delta_server.core.errors import Unavailable
from delta_server.features.backups import keeper
from delta_server.services import Services
from delta_server.storage.backup_verifier import ARGUMENT
from delta_server.storage.blobs.opening import CREDENTIALS
from delta_server.storage.child_process import Child
from delta_server.storage.sqlite.adapter import DATABASE_NAME


async def fault_of(svc: Services, name: str, *, stays_as: str = "") -> str | None:
    """None for a sound one, whose database stays beside the server's as `stays_as` where that is given. Raises
    NotFound, BlobStoreFailed, Unavailable."""
    await keeper.named(svc, name)
    where = keeper.place(svc)
    pieces = await where.blobs.create_read_stream(where.key(name))
    if pieces is None:
        return "it is not there any more"
    database = str((svc.config.storage.data_dir / DATABASE_NAME).absolute())
    process = await Child.start(ARGUMENT, database, stays_as, asked=True, kept=CREDENTIALS)
    try:
        assert process.stdin is not None
        with suppress(ConnectionError):  # it has read enough to know
            async for piece in pieces:
                process.stdin.write(piece)
                await process.stdin.drain()
        process.stdin.close()
        said = (await process.stdout.read()).decode(errors="replace").strip()
        if code := await process.wait():
            raise Unavailable(f"its process ended with {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said or None
