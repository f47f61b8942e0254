"""Backups over HTTP."""

from collections.abc import AsyncGenerator

from delta_server.features.audit import service as audit
from delta_server.services import Services
from delta_server.storage.backup_stream import BackupStream
from delta_server.storage.sqlite.adapter import DATABASE_NAME


def stream(svc: Services) -> BackupStream:
    storage = svc.config.storage
    return svc.state(BackupStream, lambda: BackupStream(storage.data_dir / DATABASE_NAME, wal_bytes=storage.wal_bytes))


async def delete_unfinished(svc: Services) -> None:
    stream(svc).delete_unfinished()


async def begun(svc: Services, account: int) -> AsyncGenerator[bytes, None]:
    """The file's pieces, the first of which is there: what can go wrong mostly has by then. Raises Unavailable."""
    await audit.note(svc, account, "backup.download")
    pieces = stream(svc).pieces()
    try:
        first = await anext(pieces)
    except BaseException:
        await pieces.aclose()
        raise

    async def all_pieces() -> AsyncGenerator[bytes, None]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return all_pieces()
