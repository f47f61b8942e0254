"""How far a database has come, in a file beside it: one that was put back from an older copy is behind its mark."""

from pathlib import Path

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """`writes` counts within a state that `epoch` names; `newest` is the largest number it has given."""

    epoch: str
    writes: int
    newest: int = 0


def read(path: Path) -> Mark | None:
    """None without any, and of a damaged one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def write(path: Path, mark: Mark) -> None:
    """Whole or not at all. Not pushed to the disk: who does not find it takes the database for another one, which is
    safe. Raises OSError."""
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(mark))
    draft.replace(path)
