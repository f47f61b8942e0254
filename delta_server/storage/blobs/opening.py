"""The blob store that `storage.blobs` names: a folder, a bucket, or what another package brings."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from delta_server.core.errors import Invalid
from delta_server.storage.blobs.blobs import Blobs
from delta_server.storage.blobs.local import LocalBlobs

GROUP = "delta_server.blobs"
"""Entry points: by the scheme of an address, a function of the address that returns its Blobs."""
REMOTE = ("s3", "gs", "az", "memory")
FOLDER_NAME = "blobs"
CREDENTIALS = ("AWS_", "GOOGLE_", "AZURE_")
"""How the names of the variables begin that a store is opened with."""


def open_blobs(address: str, data_dir: Path) -> Blobs:
    """The empty `address` is a folder beside the database. Raises Invalid."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return LocalBlobs(Path(address) if address else data_dir / FOLDER_NAME)
    if scheme == "file":
        return LocalBlobs(Path(address.removeprefix("file://")))
    for found in entry_points(group=GROUP, name=scheme):
        return cast("Blobs", found.load()(address))
    if scheme not in REMOTE:
        raise Invalid(f"storage.blobs: {scheme}:// is not known; take a folder, s3://, gs:// or az://", field="blobs")
    from delta_server.storage.blobs import remote  # 0.1 s and 15 MB

    try:
        return remote.opened(address)
    except ValueError as error:
        raise Invalid(str(error), field="blobs") from None
