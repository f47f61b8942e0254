"""`backup` and `restore`: the whole data directory as one file, and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from delta_server.cli.options import with_config, with_database
from delta_server.config.sections import Config
from delta_server.storage.backup import BytesProgress, back_up, back_up_into, verify
from delta_server.storage.backup import restore as restore_database
from delta_server.storage.cold.of_backups import Named
from delta_server.storage.sqlite.adapter import DATABASE_NAME


@click.command(help="Write all that is stored to FILE (- is stdout), compressed (zstd), also while the server runs.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@with_database
def backup(config: Config, file: Path, overwrite: bool) -> None:
    database, wal_bytes = config.storage.data_dir / DATABASE_NAME, config.storage.wal_bytes
    with _progress() as progress:
        if str(file) == "-":
            back_up_into(database, sys.stdout.buffer, progress=progress, wal_bytes=wal_bytes)
            return
        done = back_up(database, file, progress=progress, wal_bytes=wal_bytes, overwrite=overwrite)
    click.echo(f"{file}: {done.backup_bytes / 1e6:.1f} MB, a database of {done.database_bytes / 1e6:.1f} MB, verified")
    if done.cold is not None:
        _say_of_cold_storage(done.cold)


@click.command(help="Make the backup in FILE the database of the data directory, whose server must be stopped.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace the database that is there.")
@click.option("--allow-missing", is_flag=True, help="Even if something is not in cold storage any more.")
@click.option("--verify-only", is_flag=True, help="Unpack and check FILE, and change nothing; a server may run.")
@with_config
def restore(config: Config, file: Path, overwrite: bool, allow_missing: bool, verify_only: bool) -> None:
    directory = config.storage.data_dir
    if verify_only:
        with _somewhere(directory) as place, _progress() as progress:
            size = verify(file, place / DATABASE_NAME, progress=progress)
        click.echo(f"{file}: a sound database of {size / 1e6:.1f} MB")
        return
    with _progress() as progress:
        size, named = restore_database(
            file, directory, DATABASE_NAME, progress=progress, overwrite=overwrite, allow_missing=allow_missing
        )
    click.echo(f"restored a database of {size / 1e6:.1f} MB into {directory}")
    _say_of_cold_storage(named)
    if named.objects:
        click.echo("It deletes nothing there that the backup names until you say `delta-server cold adopt`.")


def _say_of_cold_storage(named: Named) -> None:
    if named.objects:
        where = ", ".join(named.addresses)
        size = f"{named.size_bytes / 1e6:.1f} MB"
        click.echo(f"{named.objects} packs and segments, {size}, are not in it but in cold storage: {where}")
    if named.fault is not None:
        click.echo(f"Warning: {named.fault}", err=True)


@contextmanager
def _somewhere(data_dir: Path) -> Iterator[Path]:
    """Where there is room to unpack: where it would be restored to."""
    if data_dir.is_dir():
        yield data_dir
        return
    with TemporaryDirectory(prefix="delta-verify-") as directory:
        yield Path(directory)


@contextmanager
def _progress() -> Iterator[BytesProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task("starting", total=None)

        def update(what: str, done: int, of: int) -> None:
            bars.update(bar, description=what, completed=done, total=of or None)

        yield update
