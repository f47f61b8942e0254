"""`verify-table`: whether a training table would be the same if it were made again."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from delta_server.cli import running
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError
from delta_server.features.exports.commands import Remade
from delta_server.tasks.feature_worker import TrainingManifest


@click.command(
    help="Make a training table again by its MANIFEST (POST /v1/export/features?format=manifest), and compare the hash "
    "of each row. Exits with 1 when something differs."
)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--project", help="By name.  [default: the only one there is]")
@with_database
def verify_table(config: Config, manifest: Path, project: str | None) -> None:
    try:
        kept = msgspec.json.decode(manifest.read_bytes(), type=TrainingManifest)
    except OSError as error:
        raise DeltaError(f"{manifest} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeltaError(f"{manifest} is not the manifest of a training table: {error}") from None
    made = running.run(config, "verify-table", Remade(project, kept.spec), doing="making the table")
    differences = list(_differences(kept, made))
    for sentence in differences:
        click.echo(sentence, err=True)
    click.echo(f"{kept.rows} rows: {'not the same' if differences else 'all the same'}")
    if differences:
        sys.exit(1)


def _differences(kept: TrainingManifest, made: TrainingManifest) -> Iterator[str]:
    if kept.columns != made.columns:
        yield "the columns, or their types, are others"
    old, new = Counter(kept.row_hashes), Counter(made.row_hashes)
    if gone := (old - new).total():
        yield f"{gone} rows are not made again as they were"
    if more := (new - old).total():
        yield f"{more} rows are made now that were not there"
    if kept.digest != made.digest and old == new:
        yield "the digest is not that of these rows in this order"
    for version in kept.versions:
        if version not in made.versions:
            yield f"the documents of {version.get('endpoint')} are others"
